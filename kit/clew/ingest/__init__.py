"""From raw artefacts to tables: one format, one file; everything is derived and can be made again."""
