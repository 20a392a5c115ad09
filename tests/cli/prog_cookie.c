/* SPDX-License-Identifier: Apache-2.0 */
/* prog_cookie DEVICE: prints the key of the lock of that device in this network namespace. */
#include <stdio.h>

#include "inject/change/kinds.h"
#include "inject/change/netns.h"

int main(int argc, char **argv)
{
	struct change_spec s = { .kind = CHANGE_NFT_GATE };
	char key[96];
	struct text t = text_on(key, sizeof(key));
	struct err e;

	if (argc != 2 || netns_identify("", &s.u.gate.netns, &e) < 0)
		return 2;
	snprintf(s.u.gate.dev, sizeof(s.u.gate.dev), "%s", argv[1]);
	nft_gate_ops.resource(&s, &t);
	puts(key);
	return 0;
}
