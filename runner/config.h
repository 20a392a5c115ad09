/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CONFIG_H
#define BRINK_CONFIG_H

#include "runner/options.h"

/*
 * What --config names, where the command line says nothing: YAML with color and events. Mistakes
 * are printed to stderr. 0; -EINVAL, with *e empty when everything was said.
 */
int config_apply(struct options *o, struct err *e);

#endif
