// SPDX-License-Identifier: GPL-2.0-or-later
#include "report.h"

#include <inttypes.h>
#include <string.h>

static bool check_missed(const struct report *report, const struct limit_check *check)
{
	return report->rounds >= ROUNDS_JUDGED && check->value >= check->limit;
}

bool report_judge(struct report *report)
{
	bool missed = false;

	for (size_t i = 0; i < report->findings; i++) {
		struct finding *f = &report->finding[i];

		f->verdict = finding_judge(f, &report->floor);
		missed |= f->verdict == VERDICT_MISSED;
	}
	for (size_t i = 0; i < report->checks; i++)
		missed |= check_missed(report, &report->check[i]);
	return missed;
}

static const char *verdict_text(enum verdict verdict)
{
	static const char *const texts[] = {
		[VERDICT_NONE] = "",
		[VERDICT_FEW] = "not judged",
		[VERDICT_RATIO] = "met",
		[VERDICT_NS] = "met by ns",
		[VERDICT_NOISE] = "within noise",
		[VERDICT_MISSED] = "MISSED",
	};

	return texts[verdict];
}

/* ---- for people ---- */

static const struct {
	const char *table, *title, *base;
} tables[] = {
	{ "null", "Each path against the null program", "null" },
	{ "ipv6", "IPv6 against IPv4", "IPv4" },
	{ "doors", "With more doors against one", "1 door" },
	{ "grants", "With more grants against one of each family", "1 grant" },
};

static void table_head(size_t table, FILE *out)
{
	fprintf(out, "\n%s, ns of one packet:\n\n", tables[table].title);
	fprintf(out, "%-4s %-40s %-16s %8s %8s %15s %8s %15s %7s\n", "IP", "path", "",
		tables[table].base, "path", "extra", "allowed", "ratio", "budget");
}

static void finding_print(const struct finding *f, FILE *out)
{
	char family[8] = "6/4";

	if (f->family)
		snprintf(family, sizeof(family), "v%d", f->family);
	fprintf(out, "%-4s %-40s %-16s %8.2f %8.2f %8.2f ±%5.2f ", family, f->path, f->variant,
		f->base_ns.median, f->ns.median, f->extra_ns.median, f->extra_ns.deviation);
	if (f->budget)
		fprintf(out, "%8.2f %8.3f ±%5.3f %7.2f  %s\n", finding_allowed_ns(f),
			f->ratio.median, f->ratio.deviation, f->budget, verdict_text(f->verdict));
	else
		fprintf(out, "%8s %8.3f ±%5.3f\n", "", f->ratio.median, f->ratio.deviation);
}

static void table_print(const struct report *report, size_t table, FILE *out)
{
	bool begun = false;

	for (size_t i = 0; i < report->findings; i++) {
		if (strcmp(report->finding[i].table, tables[table].table))
			continue;
		if (!begun)
			table_head(table, out);
		begun = true;
		finding_print(&report->finding[i], out);
	}
}

static void programs_print(const struct programs *programs, FILE *out)
{
	fprintf(out, "\n%-24s %24s %14s %14s\n", "program", "verified instructions",
		"verifier, ms", "machine bytes");
	for (size_t i = 0; i < programs->count; i++) {
		const struct program_cost *cost = &programs->cost[i];

		fprintf(out, "%-24s %24u %14.2f %14u\n", cost->name, cost->verified,
			cost->verifier_ms, cost->machine_bytes);
	}
}

void report_print(const struct report *report, FILE *out)
{
	const struct finding *floor = &report->floor;

	fprintf(out, "%zu rounds; of each line those that nobody disturbed, %zu at least\n"
		"medians, ± the median distance from them\n", report->rounds, report->undisturbed);
	fprintf(out, "null program: %.2f ns ±%.2f; another one: %+.2f ns ±%.2f against it\n",
		floor->base_ns.median, floor->base_ns.deviation, floor->extra_ns.median,
		floor->extra_ns.deviation);
	fprintf(out, "loaded with capabilities %#" PRIx64 "\n", report->capabilities);
	fprintf(out, "a budget is met by its ratio, or by its extra ns: (budget - 1) x %.0f ns, "
		"what it allowed\nwhere it was set; it is missed when both are over by more than "
		"the noise\n", DESIGN_NULL_NS);
	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++)
		table_print(report, t, out);
	programs_print(&report->programs, out);
	fprintf(out, "\n");
	for (size_t i = 0; i < report->checks; i++) {
		const struct limit_check *check = &report->check[i];

		fprintf(out, "%-60s %10.1f %-12s below %.0f  %s\n", check->name, check->value,
			check->unit, check->limit,
			report->rounds < ROUNDS_JUDGED ? "" :
			check_missed(report, check) ? "MISSED" : "met");
	}
	if (report->undisturbed < ROUNDS_JUDGED)
		fprintf(out, "\nnot judged: what has fewer than %d rounds that nobody disturbed\n",
			ROUNDS_JUDGED);
}

/* ---- for programs; no text in here needs escaping ---- */

static void spread_json(const char *name, const struct spread *spread, FILE *out)
{
	fprintf(out, ", \"%s\": %.4f, \"%s_deviation\": %.4f", name, spread->median, name,
		spread->deviation);
}

static const char *verdict_word(enum verdict verdict)
{
	static const char *const words[] = {
		[VERDICT_NONE] = "none", [VERDICT_FEW] = "few", [VERDICT_RATIO] = "ratio",
		[VERDICT_NS] = "ns", [VERDICT_NOISE] = "noise", [VERDICT_MISSED] = "missed",
	};

	return words[verdict];
}

static void finding_json(const struct finding *f, FILE *out)
{
	fprintf(out, "{\"table\": \"%s\", \"path\": \"%s\", \"variant\": \"%s\", \"family\": %d",
		f->table, f->path, f->variant, f->family);
	spread_json("base_ns", &f->base_ns, out);
	spread_json("ns", &f->ns, out);
	spread_json("extra_ns", &f->extra_ns, out);
	spread_json("ratio", &f->ratio, out);
	if (f->budget)
		fprintf(out, ", \"budget\": %.2f, \"allowed_ns\": %.2f", f->budget,
			finding_allowed_ns(f));
	fprintf(out, ", \"verdict\": \"%s\"}", verdict_word(f->verdict));
}

void report_print_json(const struct report *report, FILE *out)
{
	fprintf(out, "{\"rounds\": %zu, \"undisturbed\": %zu, \"capabilities\": %" PRIu64
		",\n\"floor\": ", report->rounds, report->undisturbed, report->capabilities);
	finding_json(&report->floor, out);
	fprintf(out, ",\n\"findings\": [");
	for (size_t i = 0; i < report->findings; i++) {
		fprintf(out, "%s\n", i ? "," : "");
		finding_json(&report->finding[i], out);
	}
	fprintf(out, "],\n\"programs\": [");
	for (size_t i = 0; i < report->programs.count; i++) {
		const struct program_cost *cost = &report->programs.cost[i];

		fprintf(out, "%s\n{\"name\": \"%s\", \"verified\": %u, \"verifier_ms\": %.3f, "
			"\"machine_bytes\": %u}", i ? "," : "", cost->name, cost->verified,
			cost->verifier_ms, cost->machine_bytes);
	}
	fprintf(out, "],\n\"checks\": [");
	for (size_t i = 0; i < report->checks; i++) {
		const struct limit_check *check = &report->check[i];

		fprintf(out, "%s\n{\"name\": \"%s\", \"value\": %.3f, \"unit\": \"%s\", "
			"\"limit\": %.0f, \"missed\": %s}", i ? "," : "", check->name,
			check->value, check->unit, check->limit,
			check_missed(report, check) ? "true" : "false");
	}
	fprintf(out, "]}\n");
}
