"""Views: each a question, a drawing, and what a click does to the Lens."""
