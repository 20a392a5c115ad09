/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_DOC_ERROR_H
#define BRINK_DOC_ERROR_H

#include <yaml.h>

#include "scenarios/diag.h"

/*
 * Why libyaml gave up, in words and at the place that a person would look at: a bracket where it
 * was opened, not where the parser noticed. The texts of libyaml 0.2.5 are known; an unknown one is
 * passed on as it is.
 */
void doc_error_add(const yaml_parser_t *p, struct diags *d);

#endif
