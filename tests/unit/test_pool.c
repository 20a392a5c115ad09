/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/pool.h"

#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/io.h"
#include "inject/change/nft_sets.h"
#include "inject/change/nlsock.h"
#include "tests/support/test.h"

#define V4(n)                                     \
	{                                         \
		.family = 4, .len = 32, .addr = { \
			10,                       \
			(uint8_t)((n) >> 16),     \
			(uint8_t)((n) >> 8),      \
			(uint8_t)(n)              \
		}                                 \
	}

static void what_is_sealed_comes_back_and_cannot_change(void **state)
{
	const struct net_prefix at[] = { V4(1),
					 V4(2),
					 { .family = 6, .len = 64, .addr = { 0xfd } } };
	struct address_pool pool;
	struct err e;
	int fd = pool_seal(at, ARRAY_LEN(at), &e);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pool_open(fd, &pool, &e), 0);
	assert_int_equal(pool.n, 3);
	assert_memory_equal(pool.at, at, sizeof(at));
	assert_int_equal(pwrite(fd, at, 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_ptr_equal(mmap(NULL, 1, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	pool_close(&pool);
	close(fd);
}

static int opened(const void *bytes, size_t n, bool seal)
{
	int fd = memfd_create("t", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;
	struct address_pool pool = { 0 };
	struct err e;

	assert_int_equal(io_write_full(fd, bytes, n), 0);
	if (seal)
		assert_int_equal(fcntl(fd, F_ADD_SEALS,
				       F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
				 0);
	rc = pool_open(fd, &pool, &e);
	pool_close(&pool);
	close(fd);
	return rc;
}

static void what_the_runner_could_forge_is_refused(void **state)
{
	struct net_prefix at[2] = { V4(1), V4(2) };
	struct address_pool pool;
	int pair[2];
	struct err e;

	(void)state;
	assert_int_equal(opened(at, sizeof(at), true), 0);
	assert_int_equal(opened(at, sizeof(at), false), -EBADMSG);
	assert_int_equal(opened(at, sizeof(at) - 1, true), -EBADMSG);
	assert_int_equal(opened(at, 0, true), -EBADMSG);
	at[1].len = 33;
	assert_int_equal(opened(at, sizeof(at), true), -EBADMSG);
	at[1] = (struct net_prefix){ .family = 5 };
	assert_int_equal(opened(at, sizeof(at), true), -EBADMSG);
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	assert_int_equal(pool_open(pair[0], &pool, &e), -EBADMSG);
	close(pair[0]);
	close(pair[1]);
}

/* A gate whose destination is a list in the pool. */
static struct change_spec listed(uint32_t first, uint32_t n)
{
	struct change_spec s = { .kind = CHANGE_NFT_GATE, .lease_ms = 3000 };

	s.u.gate = (struct nft_gate_spec){ .netns = { .cookie = 1 },
					   .table = "brink_t",
					   .dev = "lo",
					   .action = GATE_DROP,
					   .share_ppm = 1000000,
					   .n_matches = 1 };
	s.u.gate.match[0] =
		(struct net_match){ .hook = GATE_EGRESS, .dst_first = first, .dst_n = n };
	return s;
}

static void a_list_ends_where_the_pool_ends(void **state)
{
	static const struct {
		uint32_t first, n;
		int rc;
	} cases[] = { { GATE_PREFIXES, 100, 0 },         { GATE_PREFIXES + 99, 1, 0 },
		      { GATE_PREFIXES, 101, -EINVAL },   { GATE_PREFIXES + 100, 1, -EINVAL },
		      { GATE_PREFIXES - 1, 1, -EINVAL }, { GATE_PREFIXES + 1, UINT32_MAX, -EINVAL },
		      { UINT32_MAX, 2, -EINVAL } };
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct change_spec s = listed(cases[i].first, cases[i].n);

		assert_int_equal(change_spec_check(&s, 100, &e), cases[i].rc);
		assert_int_equal(change_spec_check(&s, 0, &e), -EINVAL);
	}
}

/* Messages of a type in a batch, and the elements in them. */
static unsigned count(const struct nlbuf *b, uint16_t type, unsigned *ret_elements)
{
	unsigned n = 0;

	for (size_t at = 0; at < b->len;) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)(b->data + at);
		size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(struct nfgenmsg));
		const struct nlattr *list =
			nlattr_find((const char *)h + NLMSG_LENGTH(sizeof(struct nfgenmsg)), left,
				    NFTA_SET_ELEM_LIST_ELEMENTS);

		at += NLMSG_ALIGN(h->nlmsg_len);
		if (h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | type))
			continue;
		n++;
		for (size_t in = 0; list && type == NFT_MSG_NEWSETELEM && in < nlattr_len(list);) {
			const struct nlattr *one =
				(const struct nlattr *)(const void *)((const char *)nlattr_data(
									      list) +
								      in);

			in += NLA_ALIGN(one->nla_len);
			++*ret_elements;
		}
	}
	return n;
}

static void every_address_of_a_long_list_is_written_once(void **state)
{
	static _Alignas(16) char bytes[GATE_BATCH_BYTES];
	const uint32_t n4 = 30000, n6 = 7000;
	struct net_prefix *at = calloc(n4 + n6, sizeof(*at));
	const struct address_pool pool = { n4 + n6, at };
	struct change_spec s = listed(GATE_PREFIXES, n4 + n6);
	struct gate_load load;
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	unsigned sets = 0, tables = 0, elements = 0, ignored = 0, batches = 0;

	(void)state;
	for (uint32_t i = 0; i < n4; i++)
		at[i] = (struct net_prefix)V4(i);
	for (uint32_t i = 0; i < n6; i++) /* ranges: each has an end too */
		at[n4 + i] = (struct net_prefix){
			.family = 6, .len = 64, .addr = { 0xfd, 0, (uint8_t)(i >> 8), (uint8_t)i }
		};
	/* both ends the same list: one set for each family all the same */
	s.u.gate.match[0].src_first = GATE_PREFIXES;
	s.u.gate.match[0].src_n = n4 + n6;
	load = gate_load_of(&s.u.gate, &pool);
	for (; gate_load_next(&b, &load); b = nlbuf_on(bytes, sizeof(bytes))) {
		assert_false(b.full);
		assert_true(b.len < sizeof(bytes));
		batches++;
		tables += count(&b, NFT_MSG_NEWTABLE, &ignored);
		sets += count(&b, NFT_MSG_NEWSET, &ignored);
		count(&b, NFT_MSG_NEWSETELEM, &elements);
	}
	assert_int_equal(tables, 1);
	assert_int_equal(sets, 2);
	assert_int_equal(elements, n4 + 2 * n6);
	assert_true(batches > 3);
	gate_write(&b, &s.u.gate, &pool, 0);
	assert_int_equal(count(&b, NFT_MSG_NEWTABLE, &ignored), 0);
	assert_int_equal(count(&b, NFT_MSG_NEWRULE, &ignored), 2);
	free(at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sealed_comes_back_and_cannot_change),
		cmocka_unit_test(what_the_runner_could_forge_is_refused),
		cmocka_unit_test(a_list_ends_where_the_pool_ends),
		cmocka_unit_test(every_address_of_a_long_list_is_written_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
