/* SPDX-License-Identifier: Apache-2.0 */
#include "base/exit.h"

#include "base/auto.h"

#define EXIT_ROW(symbol, code, name, meaning, machine) { code, name, meaning, machine },
static const struct exit_info exits[] = { EXIT_CODES(EXIT_ROW) };
#undef EXIT_ROW

const struct exit_info *exit_list(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(exits);
	return exits;
}

const struct exit_info *exit_find(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(exits); i++) {
		if (exits[i].code == code)
			return &exits[i];
	}
	return NULL;
}

const char *exit_name(int code)
{
	const struct exit_info *found = exit_find(code);

	return found ? found->name : "unknown code";
}
