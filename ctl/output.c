// SPDX-License-Identifier: GPL-2.0
/*
 * What etranctl says: answers on stdout, as text or JSON, and everything else on stderr. With -j
 * stdout holds exactly one JSON value whatever happens, so that a script can parse it without
 * looking at the exit status first. Commands that go on until they are ended print one value each
 * time, and if they fail one more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etranctl.h"

bool opt_json, opt_pretty, opt_debug;

static char *first_error;
static struct json_object *result;
static struct json_object *warnings;
static bool answered;		/* by answer_now() */

static char *format(const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	return text;
}

int fail(enum ctl_status status, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = format(fmt, ap);
	va_end(ap);
	fprintf(stderr, "etranctl: %s\n", text);
	/* The first is the cause, later ones are what followed from it. */
	if (first_error)
		free(text);
	else
		first_error = text;
	return status;
}

void warning(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = format(fmt, ap);
	va_end(ap);
	fprintf(stderr, "etranctl: warning: %s\n", text);
	if (!warnings)
		warnings = json_object_new_array();
	json_object_array_add(warnings, json_object_new_string(text));
	free(text);
}

void note(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = format(fmt, ap);
	va_end(ap);
	fprintf(stderr, "etranctl: %s\n", text);
	free(text);
}

void answer(struct json_object *json)
{
	json_object_put(result);
	result = json;
}

static void print_result(void)
{
	if (!result)
		result = json_object_new_object();
	if (warnings && json_object_is_type(result, json_type_object))
		json_object_object_add(result, "warnings", json_object_get(warnings));
	puts(json_object_to_json_string_ext(result, opt_pretty ?
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
		JSON_C_TO_STRING_NOSLASHESCAPE :
		JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

void answer_now(void)
{
	if (opt_json)
		print_result();
	json_object_put(result);
	json_object_put(warnings);
	result = NULL;
	warnings = NULL;
	answered = true;
}

void answer_print(void)
{
	/* With nothing to add to what answer_now() printed. */
	if (opt_json && (!answered || first_error)) {
		if (first_error) {
			json_object_put(result);
			result = json_object_new_object();
			out_str(result, "error", first_error);
		}
		print_result();
	}
	json_object_put(result);
	json_object_put(warnings);
	free(first_error);
}

void out_str(struct json_object *obj, const char *key, const char *value)
{
	json_object_object_add(obj, key, value ? json_object_new_string(value) : NULL);
}

void out_u64(struct json_object *obj, const char *key, uint64_t value)
{
	json_object_object_add(obj, key, json_object_new_uint64(value));
}

void out_bool(struct json_object *obj, const char *key, bool value)
{
	json_object_object_add(obj, key, json_object_new_boolean(value));
}

/**
 * struct table - lines of cells
 * @columns: cells of a line
 * @rows: lines, that of the names of columns among them
 * @room: of so many
 * @width: of each column, in characters, its longest cell
 * @cell: line by line
 */
struct table {
	int columns;
	int rows;
	int room;
	int *width;
	char **cell;
};

static void table_add(struct table *t, va_list ap)
{
	char **cell;
	int i, len;

	if (t->rows == t->room) {
		t->room = t->room ? 2 * t->room : 16;
		t->cell = realloc(t->cell, sizeof(*t->cell) * t->columns * t->room);
		if (!t->cell)
			abort();
	}
	cell = t->cell + (size_t)t->rows++ * t->columns;
	for (i = 0; i < t->columns; i++) {
		cell[i] = strdup(va_arg(ap, const char *));
		if (!cell[i])
			abort();
		len = strlen(cell[i]);
		if (len > t->width[i])
			t->width[i] = len;
	}
}

struct table *table_new(int columns, ...)
{
	struct table *t = calloc(1, sizeof(*t));
	va_list ap;

	if (!t)
		abort();
	t->columns = columns;
	t->width = calloc(columns, sizeof(*t->width));
	if (!t->width)
		abort();
	va_start(ap, columns);
	table_add(t, ap);
	va_end(ap);
	return t;
}

void table_row(struct table *t, ...)
{
	va_list ap;

	va_start(ap, t);
	table_add(t, ap);
	va_end(ap);
}

void table_print(struct table *t)
{
	char **cell = t->cell;
	int row, col;

	for (row = 0; row < t->rows; row++) {
		/* No spaces at the end of a line. */
		for (col = 0; col < t->columns; col++, cell++) {
			printf("%s%-*s", col ? "  " : "", col < t->columns - 1 ? t->width[col] : 0, *cell);
			free(*cell);
		}
		putchar('\n');
	}
	free(t->cell);
	free(t->width);
	free(t);
}
