/// Events a second of the Sigma engine, with load time and memory.
///
///   sigma_bench RULES EVENTS [--repeat N] [--batch N] [--pipeline FILE]
///
/// EVENTS is read into memory first; one pass warms up, then the best and the median of N passes
/// are printed, in processor time, net of loading. The reference line is simdjson reading the same
/// events and looking at nothing, in the same run: ratios against it compare machines.
#include <simdjson.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "rules/sigma/sigma.hpp"
#include "tests/bench/sigma/measure.hpp"

namespace {

using ww::bench::resident_mib;
using ww::bench::seconds;

/// Walks the top level of every event, as little as a consumer of JSON can do.
double reference(const std::vector<std::string>& lines) {
  simdjson::ondemand::parser parser;
  std::string buffer;
  std::size_t keys = 0;
  const double start = seconds();
  for (const auto& line : lines) {
    buffer = line;
    buffer.reserve(buffer.size() + simdjson::SIMDJSON_PADDING);
    simdjson::ondemand::document doc;
    simdjson::ondemand::object object;
    if (parser.iterate(buffer.data(), buffer.size(), buffer.capacity()).get(doc) !=
            simdjson::SUCCESS ||
        doc.get_object().get(object) != simdjson::SUCCESS)
      continue;
    for (auto field : object) keys += field.key().error() == simdjson::SUCCESS ? 1U : 0U;
  }
  const double took = seconds() - start;
  return keys == 0 ? 0 : static_cast<double>(lines.size()) / took;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr,
                 "usage: sigma_bench RULES EVENTS [--repeat N] [--batch N] [--pipeline FILE]\n");
    return 2;
  }
  int repeat = 9;
  std::size_t batch = 256;
  ww::sigma::LoadOptions options;
  for (int i = 3; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--repeat") == 0) repeat = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--batch") == 0)
      batch = static_cast<std::size_t>(std::atoi(argv[i + 1]));
    if (std::strcmp(argv[i], "--pipeline") == 0) options.pipelines.emplace_back(argv[i + 1]);
  }
  std::vector<std::string> lines;
  std::ifstream in(argv[2]);
  constexpr std::size_t spare = 64;  // as programs that read events in blocks have behind each
  for (std::string line; std::getline(in, line);) {
    line.reserve(line.size() + spare);
    lines.push_back(std::move(line));
  }
  if (lines.empty()) {
    std::fprintf(stderr, "%s: no events\n", argv[2]);
    return 1;
  }
  double octets = 0;
  for (const auto& line : lines) octets += static_cast<double>(line.size());

  const double before = resident_mib();
  const double start = seconds();
  ww::sigma::LoadReport report;
  auto engine = ww::sigma::Engine::load({argv[1]}, options, report);
  if (!engine) {
    std::fprintf(stderr, "%s\n", engine.error().text().c_str());
    return 1;
  }
  const double load = seconds() - start;
  auto evaluator = ww::sigma::Evaluator::create(*engine);
  const std::vector<std::string_view> views(lines.begin(), lines.end());
  std::vector<double> rates;
  std::size_t matches = 0;
  for (int pass = -1; pass < repeat; ++pass) {
    matches = 0;
    const double from = seconds();
    for (std::size_t at = 0; at < views.size(); at += batch)
      matches +=
          evaluator
              ->evaluate(std::span(views).subspan(at, std::min(batch, views.size() - at)), spare)
              .size();
    if (pass >= 0) rates.push_back(static_cast<double>(views.size()) / (seconds() - from));
  }
  std::sort(rates.begin(), rates.end());
  const double floor = reference(lines);
  const double median = rates[rates.size() / 2];
  std::printf("rules %u (%u refused)  events %zu  %.0f octets each  matches %zu\n", report.loaded,
              report.refused, lines.size(), octets / static_cast<double>(lines.size()), matches);
  std::printf("load %.3f s  memory +%.1f MiB\n", load, resident_mib() - before);
  std::printf("events/s: median %.0f  best %.0f  (%.2f us each, %.1f MB/s)\n", median, rates.back(),
              1e6 / median, median * octets / static_cast<double>(lines.size()) / 1e6);
  std::printf("reference: JSON alone %.0f events/s; engine at %.2f of it\n", floor, median / floor);
  return 0;
}
