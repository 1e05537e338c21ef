/* SPDX-License-Identifier: Apache-2.0 */
/* System calls only: the nudger comes here after a fork from threads. */
#include "rights.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void rights_hide_memory(void)
{
	/* The limit alone would not stop a program that takes core dumps. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	prctl(PR_SET_DUMPABLE, 0);
}

/* What is no longer permitted is no longer ambient either. */
bool rights_keep(uint64_t keep)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct sets[2];
	bool had = false;
	int i;

	if (syscall(SYS_capget, &head, sets) < 0)
		return false;
	for (i = 0; i < 2; i++) {
		had |= sets[i].permitted & ~(unsigned)(keep >> 32 * i);
		sets[i].permitted &= (unsigned)(keep >> 32 * i);
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	syscall(SYS_capset, &head, sets);
	return had;
}
