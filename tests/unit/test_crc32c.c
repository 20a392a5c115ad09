/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"

#include <string.h>

#include "tests/support/test.h"

/* RFC 3720, appendix B.4 */
static void the_sums_of_the_standard_come_out(void **state)
{
	unsigned char b[32] = { 0 };

	(void)state;
	assert_int_equal(crc32c("123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(b, sizeof(b)), 0x8a9136aa);
	memset(b, 0xff, sizeof(b));
	assert_int_equal(crc32c(b, sizeof(b)), 0x62a8ab43);
	for (unsigned i = 0; i < sizeof(b); i++)
		b[i] = (unsigned char)i;
	assert_int_equal(crc32c(b, sizeof(b)), 0x46dd794e);
	assert_int_equal(crc32c(b, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_sums_of_the_standard_come_out) };

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
