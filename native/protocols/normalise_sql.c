/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Statements without what differs from call to call: one pass over the text, token by token.
 *
 * Lexical rules: PostgreSQL's manual, chapter 4.1 (Lexical Structure); MySQL's reference manual, chapter 11 (Language
 * Structure). Capitals are kept, and blanks but for those at parentheses and commas, where all spellings become one.
 */
#include "normalise_text.h"

#define DEEPEST 32
#define LONGEST_TAG 63 /* NAMEDATALEN of PostgreSQL, less one */

enum token { START, WORD, MARK, OPEN, CLOSE, COMMA, OTHER };
enum kind { PLAIN, LIST, ROW };
enum statement { ANY, POINT, RELEASE, ROLLBACK, NAMED };

struct frame {
	uint8_t kind;
	bool marks, comma; /* nothing but one ? so far; a comma came that was not written */
};

struct sql {
	const char *text;
	size_t size, at;
	bool mysql;
	struct writer to;
	bool blank, string; /* before the next token; the last token was a string */
	enum token last;
	const char *word; /* the last word */
	size_t word_size;
	struct frame frames[DEEPEST];
	size_t depth;
	/* rows: those of VALUES, or of a list, at depth `rows` - 1; 0: none */
	size_t rows, row_start, row_end, match;
	bool row_comma, matching;
	enum statement statement;
	size_t words;
	bool name_next, semicolon;
	struct clew_found *trace;
};

/* Rows like the one before are compared with it, not written. */
static void put(struct sql *s, const char *text, size_t size)
{
	size_t at = 0;
	if (s->matching) {
		while (at < size && s->match < s->row_end && s->to.out[s->match] == text[at])
			at++, s->match++;
		if (at == size)
			return;
		s->matching = false;
		write_text(&s->to, ", ", 2);
		const size_t start = s->to.used;
		write_text(&s->to, s->to.out + s->row_start, s->match - s->row_start);
		s->row_start = start;
	}
	write_text(&s->to, text + at, size - at);
}

static struct frame *top(const struct sql *s)
{
	return s->depth && s->depth <= DEEPEST ? (struct frame *)&s->frames[s->depth - 1] : NULL;
}

/* What stands before a token: commas and semicolons that waited for one, a blank. */
static void before(struct sql *s, enum token token)
{
	struct frame *frame = top(s);
	if (s->semicolon) {
		put(s, ";", 1);
		s->semicolon = false;
		s->blank = true;
		s->last = OTHER;
	}
	if (s->row_comma && token != OPEN) {
		put(s, ",", 1);
		s->row_comma = false;
		s->rows = 0;
		s->last = COMMA;
	} else if (s->rows == s->depth + 1 && token != OPEN && token != COMMA) {
		s->rows = 0;
	}
	if (frame && frame->comma && token != CLOSE) {
		put(s, ",", 1);
		s->last = COMMA;
		frame->marks = false;
	}
	if (frame)
		frame->comma = false;
	const bool joined = s->last == START || s->last == OPEN || token == CLOSE || token == COMMA;
	if (!s->row_comma && !joined && (s->blank || s->last == COMMA))
		put(s, " ", 1);
	s->blank = false;
	if (frame && token != CLOSE && token != COMMA)
		frame->marks = token == MARK && s->last == OPEN;
	s->string = false;
}

static void mark(struct sql *s)
{
	struct frame *frame = top(s);
	s->name_next = false;
	if (frame && frame->comma && frame->marks) { /* another of the same */
		frame->comma = s->blank = s->string = false;
		s->last = MARK;
		return;
	}
	before(s, MARK);
	put(s, "?", 1);
	s->last = MARK;
}

static void other(struct sql *s)
{
	before(s, OTHER);
	put(s, s->text + s->at++, 1);
	s->last = OTHER;
}

static bool last_word(const struct sql *s, const char *words)
{
	return s->last == WORD && one_of(s->word, s->word_size, words);
}

static void open_frame(struct sql *s)
{
	const char c = s->text[s->at++];
	enum kind kind = c == '[' ? LIST : PLAIN;
	const struct frame *frame = top(s);
	if (c == '(' && (s->row_comma || last_word(s, " values value ") ||
					 (frame && frame->kind == LIST && s->last == OPEN && s->text[s->at - 2] != '['))) {
		kind = ROW;
		s->blank |= !s->row_comma;
	} else if (c == '(' && last_word(s, " in ")) {
		kind = LIST;
		s->blank = true;
	}
	const bool again = s->row_comma;
	before(s, OPEN);
	s->row_comma = false;
	if (kind == ROW) {
		s->rows = s->depth + 1;
		s->matching = again;
		s->match = s->row_start = again ? s->row_start : s->to.used;
	}
	put(s, &c, 1);
	if (s->depth < DEEPEST)
		s->frames[s->depth] = (struct frame){(uint8_t)kind, false, false};
	s->depth++;
	s->last = OPEN;
}

static void close_frame(struct sql *s)
{
	const bool row = top(s) && top(s)->kind == ROW;
	before(s, CLOSE);
	put(s, s->text + s->at++, 1);
	s->depth -= s->depth > 0;
	if (s->rows > s->depth + 1)
		s->rows = 0;
	if (row && s->rows == s->depth + 1 && !s->matching)
		s->row_end = s->to.used;
	s->matching &= !row;
	s->last = CLOSE;
}

static void comma(struct sql *s)
{
	struct frame *frame = top(s);
	s->at++;
	if (s->rows == s->depth + 1 && s->last == CLOSE && !s->row_comma) {
		s->row_comma = true;
		s->blank = false;
		return;
	}
	if (frame && frame->kind == LIST && frame->marks && s->last == MARK) {
		frame->comma = true;
		s->blank = false;
		return;
	}
	before(s, COMMA);
	put(s, ",", 1);
	s->last = COMMA;
	if (frame)
		frame->marks = false;
}

/* Past a string or quoted name that starts here; a quote is doubled in it or, with `escapes`, stands behind a \. */
static size_t past_quoted(const struct sql *s, size_t at, bool escapes)
{
	const char quote = s->text[at++];
	while (at < s->size) {
		if (escapes && s->text[at] == '\\')
			at += 2;
		else if (s->text[at++] == quote) {
			if (at >= s->size || s->text[at] != quote)
				return at;
			at++;
		}
	}
	return s->size;
}

static void string(struct sql *s, size_t from, bool escapes)
{
	s->at = past_quoted(s, from, escapes);
	if (s->string && s->last == MARK && s->blank) { /* a string in several pieces */
		s->blank = false;
		return;
	}
	mark(s);
	s->string = true;
}

static void quoted_name(struct sql *s)
{
	const size_t from = s->at;
	s->at = past_quoted(s, from, false);
	if (s->name_next) {
		mark(s);
		return;
	}
	before(s, WORD);
	put(s, s->text + from, s->at - from);
	s->last = CLOSE; /* never a keyword */
}

/* $$ .. $$, $tag$ .. $tag$ or $1 */
static void dollar(struct sql *s)
{
	size_t end = s->at + 1;
	if (end < s->size && is_digit(s->text[end])) {
		while (end < s->size && is_digit(s->text[end]))
			end++;
		s->at = end;
		mark(s);
		return;
	}
	while (end < s->size && end - s->at <= LONGEST_TAG &&
		   (is_letter(s->text[end]) || is_digit(s->text[end]) || s->text[end] == '_' || (uint8_t)s->text[end] >= 128))
		end++;
	if (s->mysql || end >= s->size || s->text[end] != '$') {
		other(s);
		return;
	}
	const size_t tag = ++end - s->at;
	const char *close = memmem(s->text + end, s->size - end, s->text + s->at, tag);
	s->at = close ? (size_t)(close - s->text) + tag : s->size;
	mark(s);
}

static void number(struct sql *s)
{
	size_t end = s->at;
	while (end < s->size &&
		   (is_any(s->text[end], DIGIT | UPPER | SMALL) || s->text[end] == '.' || s->text[end] == '_')) {
		const bool exponent = lower(s->text[end]) == 'e' && lower(s->text[s->at + (s->at + 1 < s->size)]) != 'x';
		end++;
		if (exponent && end + 1 < s->size && (s->text[end] == '+' || s->text[end] == '-') && is_digit(s->text[end + 1]))
			end++;
	}
	s->at = end > s->at ? end : s->at + 1;
	mark(s);
}

static bool in_word(char c)
{
	return is_any(c, UPPER | SMALL | DIGIT | SIGN | HIGH);
}

/* Names of savepoints, and numbers in those of cursors and prepared statements, are made up by drivers. */
static void learn(struct sql *s, const char *word, size_t size)
{
	if (++s->words > 1) {
		s->name_next = (s->statement == ROLLBACK && one_of(word, size, " to savepoint ")) ||
					   (s->statement == RELEASE && same_word(word, size, "savepoint"));
		return;
	}
	s->statement = same_word(word, size, "savepoint")                                            ? POINT
				   : same_word(word, size, "release")                                            ? RELEASE
				   : same_word(word, size, "rollback")                                           ? ROLLBACK
				   : one_of(word, size, " declare fetch move close deallocate prepare execute ") ? NAMED
																								 : ANY;
	s->name_next = s->statement == POINT || s->statement == RELEASE;
}

static void put_word(struct sql *s, const char *word, size_t size)
{
	before(s, WORD);
	if (s->statement == NAMED && s->words > 1 && s->words <= 4) {
		for (size_t at = 0; at < size; at++)
			if (!is_digit(word[at]))
				put(s, word + at, 1);
			else if (!at || !is_digit(word[at - 1]))
				put(s, "?", 1);
	} else {
		put(s, word, size);
	}
	s->last = WORD;
	s->word = word;
	s->word_size = size;
}

static void word(struct sql *s)
{
	const char *start = s->text + s->at;
	size_t end = s->at + 1;
	while (end < s->size && in_word(s->text[end]))
		end++;
	const size_t size = end - s->at;
	const char next = end < s->size ? s->text[end] : 0, first = lower(*start);
	const bool wide = size == 1 && first == 'u' && next == '&' && end + 1 < s->size && s->text[end + 1] == '\'';
	const bool blank = s->mysql && *start == '_' && next == ' ' && end + 1 < s->size && s->text[end + 1] == '\'';
	if ((next == '\'' && ((size == 1 && strchr("ebxn", first)) || (s->mysql && *start == '_'))) || wide || blank) {
		string(s, end + (wide || blank), s->mysql || first == 'e');
		return;
	}
	s->at = end;
	const struct frame *frame = top(s);
	const bool value = frame && frame->kind != PLAIN && one_of(start, size, " null true false ");
	if (value || ((first == 't' || first == 'f') && !last_word(s, " is not ") && one_of(start, size, " true false ")) ||
		(s->name_next && !one_of(start, size, " savepoint to "))) {
		mark(s);
		return;
	}
	learn(s, start, size);
	put_word(s, start, size);
}

static bool is_trace_context(const char *text)
{
	for (size_t at = 0; at < 55; at++)
		if (at == 2 || at == 35 || at == 52 ? text[at] != '-' : !is_hex(text[at]))
			return false;
	return true;
}

static void look_for_trace(struct sql *s, size_t from, size_t end)
{
	const char *found;
	if (!s->trace || s->trace->size || !(found = memmem(s->text + from, end - from, "traceparent", 11)))
		return;
	size_t at = (size_t)(found - s->text) + 11;
	for (size_t step = 0; step < 6 && at < end && strchr(" =:'\"", s->text[at]); step++)
		at++;
	if (end - at >= 55 && is_trace_context(s->text + at))
		*s->trace = (struct clew_found){at, 55};
}

static void line_comment(struct sql *s)
{
	const char *end = memchr(s->text + s->at, '\n', s->size - s->at);
	const size_t from = s->at;
	s->at = end ? (size_t)(end - s->text) : s->size;
	look_for_trace(s, from, s->at);
	s->blank = true;
}

static void block_comment(struct sql *s)
{
	const size_t from = s->at;
	s->at += 2;
	s->blank = true;
	const bool maria = s->at + 1 < s->size && s->text[s->at] == 'M' && s->text[s->at + 1] == '!';
	if (s->mysql && s->at < s->size && (maria || s->text[s->at] == '!')) { /* the server executes what is in there */
		s->at += maria;
		while (++s->at < s->size && is_digit(s->text[s->at]))
			;
		return;
	}
	for (size_t depth = 1; s->at < s->size && depth;) {
		const char *c = s->text + s->at, second = s->at + 1 < s->size ? c[1] : 0;
		const bool close = *c == '*' && second == '/', open = *c == '/' && second == '*' && !s->mysql;
		depth += open;
		depth -= close;
		s->at += 1 + (size_t)(open || close);
	}
	look_for_trace(s, from, s->at);
}

static bool sign(const struct sql *s, char next, char after)
{
	if (!is_digit(next) && !(next == '.' && is_digit(after)))
		return false;
	return s->last == START || s->last == OPEN || s->last == COMMA || s->last == OTHER || s->row_comma ||
		   (top(s) && top(s)->comma) ||
		   last_word(s, " select where and or not in like between then else when limit offset values set default "
						"returning by on case return ");
}

static void next(struct sql *s)
{
	const char c = s->text[s->at], second = s->at + 1 < s->size ? s->text[s->at + 1] : 0;
	const char third = s->at + 2 < s->size ? s->text[s->at + 2] : 0;
	if (is_blank(c)) {
		s->blank = true;
		s->at++;
	} else if (is_digit(c) || (c == '.' && is_digit(second) && s->last != WORD && s->last != CLOSE)) {
		number(s);
	} else if (is_letter(c) || c == '_' || (uint8_t)c >= 128) {
		word(s);
	} else if (c == '\'' || (c == '"' && s->mysql)) {
		string(s, s->at, s->mysql);
	} else if (c == '"' || (c == '`' && s->mysql)) {
		quoted_name(s);
	} else if ((c == '-' && second == '-' && (!s->mysql || is_blank(third))) || (c == '#' && s->mysql)) {
		line_comment(s);
	} else if (c == '/' && second == '*') {
		block_comment(s);
	} else if (c == '*' && second == '/' && s->mysql) { /* the end of what MySQL executes */
		s->at += 2;
		s->blank = true;
	} else if (c == '$') {
		dollar(s);
	} else if (c == '(' || c == '[') {
		open_frame(s);
	} else if (c == ')' || c == ']') {
		close_frame(s);
	} else if (c == ',') {
		comma(s);
	} else if (c == ';') {
		s->at++;
		s->semicolon = s->last != START;
		s->blank = s->name_next = false;
		s->words = s->depth = s->rows = 0;
		s->matching = s->row_comma = false;
	} else if (c == '?') {
		s->at++;
		mark(s);
	} else if (c == ':' && in_word(second) && (!s->at || strchr(" \t\r\n=(,<>+-*/|", s->text[s->at - 1]))) {
		for (s->at++; s->at < s->size && in_word(s->text[s->at]);)
			s->at++;
		mark(s);
	} else if ((c == '-' || c == '+') && sign(s, second, third)) {
		s->at++;
		number(s);
	} else {
		other(s);
	}
}

size_t clew_normalise_sql(uint32_t dialect, const char *text, size_t size, bool cut, char *out, size_t room,
						  struct clew_found *traceparent)
{
	struct sql s = {.text = text, .size = size, .mysql = dialect == CLEW_SQL_MYSQL, .trace = traceparent};
	s.to = (struct writer){out, room, 0, false};
	if (traceparent)
		*traceparent = (struct clew_found){0, 0};
	while (s.at < size && !s.to.full)
		next(&s);
	return write_end(&s.to, cut);
}
