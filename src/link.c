// SPDX-License-Identifier: GPL-2.0-or-later
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

int link_program(int link, struct bpf_prog_info *info)
{
	struct bpf_link_info of = {};
	__u32 size = sizeof(of);
	int program;

	if (bpf_obj_get_info_by_fd(link, &of, &size))
		return -errno;
	program = bpf_prog_get_fd_by_id(of.prog_id);
	if (program < 0)
		return -errno;
	size = sizeof(*info);
	memset(info, 0, sizeof(*info));
	if (bpf_obj_get_info_by_fd(program, info, &size)) {
		int error = -errno;

		close(program);
		return error;
	}
	return program;
}

unsigned int link_device(int link)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(link, &info, &size) ? 0 : info.xdp.ifindex;
}

int program_in(int array)
{
	__u32 key = 0, id;

	int program;

	if (array < 0)
		return -ENOENT;
	if (bpf_map_lookup_elem(array, &key, &id))
		return -errno;
	program = bpf_prog_get_fd_by_id(id);
	return program < 0 ? -errno : program;
}

enum xdp_flavour link_flavour(unsigned int device)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (!bpf_xdp_query(device, 0, &query) && query.attach_mode == XDP_ATTACHED_SKB)
		return XDP_GENERIC;
	return XDP_FRAGS;
}

const char *flavour_name(enum xdp_flavour flavour)
{
	static const char *const names[] = {
		[XDP_FRAGS] = "native, with fragments",
		[XDP_NATIVE] = "native",
		[XDP_GENERIC] = "generic",
	};

	return flavour <= XDP_GENERIC ? names[flavour] : "unknown mode";
}

bool link_severed(int link, bool outer)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	return link >= 0 && !bpf_obj_get_info_by_fd(link, &info, &size) &&
	       !(outer ? info.xdp.ifindex : info.netns.netns_ino);
}

int link_inner(int program, struct failure *failure)
{
	int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), link;

	if (netns < 0) {
		link = -errno;
		failure_set(failure, "cannot open the network namespace: %s", strerror(-link));
		return link;
	}
	link = bpf_link_create(program, netns, BPF_SK_LOOKUP, NULL);
	if (link < 0) {
		link = -errno;
		failure_set(failure, "cannot attach the inner door to the network namespace: %s",
			    strerror(-link));
	}
	close(netns);
	return link;
}

int link_outer(int program, unsigned int device, enum xdp_flavour flavour)
{
	LIBBPF_OPTS(bpf_link_create_opts, options,
		    .flags = flavour == XDP_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	static const struct timespec moment = { .tv_nsec = 10000000 };
	int link = -1;

	/* A link that has just gone holds the device for some milliseconds more. */
	for (int tries = 0; tries < 20; tries++) {
		link = bpf_link_create(program, device, BPF_XDP, &options);
		if (link >= 0 || errno != EBUSY)
			break;
		nanosleep(&moment, NULL);
	}
	return link < 0 ? -errno : link;
}
