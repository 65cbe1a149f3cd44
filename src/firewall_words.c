// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall_words.h"

static const char set_why[] =
	"what it opens stands in the rules that use its set (see 'nft list ruleset' or "
	"'iptables -S'); write 'Open = PORT' with their ports instead";

static const char matches[] = "tcp,udp,comment,multiport,state,conntrack";

static const struct firewall_word iptables_words[] = {
	{ "-A,--append", READ_ONE_OF, FACT_ADD | FACT_CHAIN, "INPUT" },
	{ "-I,--insert", READ_PLACE, FACT_ADD | FACT_CHAIN, "INPUT" },
	{ "-D,--delete", READ_ONE_OF, FACT_DELETE | FACT_CHAIN, "INPUT" },
	{ "-s,--source,--src", READ_SOURCE, FACT_SOURCE, NULL },
	{ "-p,--protocol", READ_PROTO, 0, NULL },
	{ "--dport,--dports,--destination-port,--destination-ports", READ_PORTS, FACT_PORTS, NULL },
	{ "-j,--jump", READ_ONE_OF, FACT_ACCEPT, "ACCEPT" },
	{ "-i,--in-interface", READ_INTERFACE, FACT_INTERFACE, NULL },
	{ "-m,--match", READ_ONE_OF, 0, matches },
	{ "--state,--ctstate", READ_STATE, FACT_STATE, NULL },
	{ "--comment", READ_ANYTHING, 0, NULL },
	{ "--syn", READ_NOTHING, 0, NULL },
	{ "-t,--table", READ_ONE_OF, 0, "filter" },
	{ "-w,--wait", READ_NUMBER, 0, NULL },
	{ NULL, READ_NOTHING, 0, NULL },
};

static const struct firewall_word ufw_words[] = {
	{ "allow", READ_NOTHING, FACT_ACCEPT, NULL },
	{ "delete", READ_NOTHING, FACT_DELETE, NULL },
	{ "insert", READ_NUMBER, FACT_ADD, NULL },
	{ "prepend", READ_NOTHING, FACT_ADD, NULL },
	{ "from", READ_SOURCE, FACT_SOURCE, NULL },
	{ "to", READ_ONE_OF, FACT_TO, "any" },
	{ "port", READ_TO_PORTS, FACT_PORTS, NULL },
	{ "proto", READ_PROTO, 0, NULL },
	{ "in", READ_NOTHING, 0, NULL },
	{ "on", READ_INTERFACE, FACT_INTERFACE, NULL },
	{ "comment", READ_ANYTHING, 0, NULL },
	{ "--force", READ_NOTHING, 0, NULL },
	{ NULL, READ_NOTHING, 0, NULL },
};

const struct firewall_word firewall_nft_words[] = {
	{ "add,insert", READ_NOTHING, FACT_ADD, NULL },
	{ "element", READ_REFUSE, 0, set_why },
	{ "rule,inet,filter,firewall", READ_NOTHING, 0, NULL },
	{ "ip", READ_NOTHING, FACT_IPV4, NULL },
	{ "ip6", READ_NOTHING, FACT_IPV6, NULL },
	{ "input,INPUT", READ_NOTHING, FACT_CHAIN, NULL },
	{ "saddr", READ_SOURCE, FACT_SOURCE, NULL },
	{ "tcp", READ_NOTHING, FACT_TCP, NULL },
	{ "udp", READ_NOTHING, FACT_UDP, NULL },
	{ "dport", READ_PORTS, FACT_PORTS, NULL },
	{ "iif,iifname", READ_INTERFACE, FACT_INTERFACE, NULL },
	{ "ct,counter", READ_NOTHING, 0, NULL },
	{ "state", READ_STATE, FACT_STATE, NULL },
	{ "accept", READ_NOTHING, FACT_ACCEPT, NULL },
	{ "comment", READ_ANYTHING, 0, NULL },
	{ NULL, READ_NOTHING, 0, NULL },
};

static const struct firewall_word firewalld_words[] = {
	{ "--add-rich-rule", READ_RICH, FACT_ADD, NULL },
	{ "--remove-rich-rule", READ_RICH, FACT_DELETE, NULL },
	{ "--zone", READ_ANYTHING, 0, NULL },
	{ "--timeout", READ_TIME, FACT_TIME, NULL },
	{ "-q,--quiet", READ_NOTHING, 0, NULL },
	{ NULL, READ_NOTHING, 0, NULL },
};

const struct firewall_word firewall_rich_words[] = {
	{ "rule,source,port", READ_NOTHING, 0, NULL },
	{ "family=", READ_ONE_OF, 0, "ipv4,ipv6" },
	{ "address=", READ_SOURCE, FACT_SOURCE, NULL },
	{ "port=", READ_PORTS, FACT_PORTS, NULL },
	{ "protocol=", READ_PROTO, 0, NULL },
	{ "service", READ_NOTHING, FACT_TCP, NULL },
	{ "name=", READ_PORTS, FACT_PORTS, NULL },
	{ "accept", READ_NOTHING, FACT_ACCEPT, NULL },
	{ NULL, READ_NOTHING, 0, NULL },
};

/* Debian's knock_helper_ipt.sh, which the config that comes with it calls knock_add. */
static const struct firewall_word helper_words[] = {
	{ "-a,--append,-i,--insert", READ_NOTHING, FACT_ADD, NULL },
	{ "-x,--delete", READ_NOTHING, FACT_DELETE, NULL },
	{ "-f,--srcaddr", READ_SOURCE, FACT_SOURCE, NULL },
	{ "-d,--dstport", READ_PORTS, FACT_PORTS, NULL },
	{ "-p,--proto", READ_PROTO, 0, NULL },
	{ "-c,--chain", READ_ONE_OF, 0, "INPUT" },
	{ "-v,--verbose", READ_NOTHING, 0, NULL },
	{ NULL, READ_NOTHING, 0, NULL },
};

static const struct firewall_word ipset_words[] = {
	{ "add,-A,del,-D", READ_REFUSE, 0, set_why },
	{ NULL, READ_NOTHING, 0, NULL },
};

const struct firewall_tool firewall_tools[] = {
	{ "iptables,iptables-legacy,iptables-nft", iptables_words, FACT_IPV4 | FACT_TCP,
	  "iptables refuses --dport without -p, so that this never opened anything; taken for "
	  "tcp" },
	{ "ip6tables,ip6tables-legacy,ip6tables-nft", iptables_words, FACT_IPV6 | FACT_TCP,
	  "ip6tables refuses --dport without -p, so that this never opened anything; taken for "
	  "tcp" },
	{ "ufw", ufw_words, FACT_FAMILY | FACT_ADD | FACT_CHAIN | FACT_PROTO,
	  "without 'proto' ufw opens a port for tcp and udp; take out what nobody needs" },
	{ "nft", firewall_nft_words, FACT_FAMILY, NULL },
	{ "firewall-cmd", firewalld_words, FACT_FAMILY | FACT_CHAIN, NULL },
	{ "knock_add,knock_helper_ipt.sh", helper_words,
	  FACT_IPV4 | FACT_CHAIN | FACT_ACCEPT | FACT_TCP, NULL },
	{ "ipset", ipset_words, 0, NULL },
	{ NULL, NULL, 0, NULL },
};

const struct firewall_need firewall_needs[FIREWALL_NEEDS] = {
	{ FACT_ACTION, "it neither adds a rule nor deletes one" },
	{ FACT_CHAIN, "it does not say that it is about the chain INPUT" },
	{ FACT_ACCEPT, "it does not accept anything" },
	{ FACT_SOURCE, "it is not about %IP%, and 'Open' is for the one who knocked" },
	{ FACT_PORTS, "it is about every port of this host; write 'Open = PORT, PORT' with those "
		      "that are needed instead" },
	{ FACT_PROTO, "it does not say whether it means tcp or udp" },
};
