/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "runner/commands.h"
#include "scenarios/experiment.h"

int cmd_version(const struct options *o)
{
	if (o->json)
		printf("{\"version\":\"%s\",\"language\":%d}\n", BRINK_VERSION,
		       EXPERIMENT_LANGUAGE);
	else
		printf("brink %s\n", BRINK_VERSION);
	return EXIT_PASS;
}
