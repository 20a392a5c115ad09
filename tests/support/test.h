/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TESTS_SUPPORT_TEST_H
#define BRINK_TESTS_SUPPORT_TEST_H

/* cmocka with what it needs before it, in the one order that compiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Exit status of a test program that cannot run here; the reason goes to its last line. */
#define SKIP_STATUS 77

#endif
