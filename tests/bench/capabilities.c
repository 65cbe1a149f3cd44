// SPDX-License-Identifier: GPL-2.0-or-later
#include "capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	int number;
} capabilities[] = {
	{ "CAP_BPF", CAP_BPF },
	{ "CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH },
	{ "CAP_NET_ADMIN", CAP_NET_ADMIN },
	{ "CAP_NET_RAW", CAP_NET_RAW },
	{ "CAP_PERFMON", CAP_PERFMON },
	{ "CAP_SETGID", CAP_SETGID },
	{ "CAP_SETPCAP", CAP_SETPCAP },
	{ "CAP_SETUID", CAP_SETUID },
	{ "CAP_SYS_ADMIN", CAP_SYS_ADMIN },
	{ "CAP_SYS_MODULE", CAP_SYS_MODULE },
};

static int names_read(char *names, uint64_t *set)
{
	char *rest = NULL;

	for (char *name = strtok_r(names, " \n", &rest); name;
	     name = strtok_r(NULL, " \n", &rest)) {
		size_t i = 0;

		while (i < sizeof(capabilities) / sizeof(*capabilities) &&
		       strcmp(name, capabilities[i].name))
			i++;
		if (i == sizeof(capabilities) / sizeof(*capabilities))
			return -EINVAL;
		*set |= 1ULL << capabilities[i].number;
	}
	return 0;
}

static int unit_read(const char *unit, uint64_t *set)
{
	static const char key[] = "CapabilityBoundingSet=";
	FILE *file = fopen(unit, "re");
	char line[512];
	int error = 0;

	if (!file)
		return -errno;
	*set = 0;
	while (!error && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, sizeof(key) - 1))
			error = names_read(line + sizeof(key) - 1, set);
	fclose(file);
	return error ? error : *set ? 0 : -ENOENT;
}

int capabilities_keep(const char *unit, uint64_t *kept)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
	uint64_t set;
	int error = unit_read(unit, &set);

	if (error)
		return error;
	for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (!(set >> i & 1) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0))
			return -errno;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		data[i].effective = data[i].permitted = set >> (32 * i);
	if (syscall(SYS_capset, &header, data))
		return -errno;
	*kept = set;
	return 0;
}
