/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CLOCK_H
#define BRINK_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

/* Nanoseconds of CLOCK_MONOTONIC: order and length of things inside one boot. */
int64_t clock_mono_ns(void);
/* Nanoseconds of CLOCK_BOOTTIME: deadlines; goes on during suspend. */
int64_t clock_boot_ns(void);
/* Nanoseconds of CLOCK_REALTIME: for people only, never in a decision. */
int64_t clock_wall_ns(void);
/* "2026-11-20T13:02:11.004Z" (UTC) into buf (>= 25 bytes). Returns buf. */
char *clock_iso(int64_t wall_ns, char *buf, size_t size);

#endif
