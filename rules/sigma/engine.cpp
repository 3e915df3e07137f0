#include "rules/sigma/engine.hpp"

#include <algorithm>
#include <set>
#include <unordered_map>

namespace ww::sigma {
namespace {

/// Shapes in which sources deliver the fields that rules name, besides the plain one.
constexpr std::string_view overlays[] = {"log.fields", "winlog.event_data", "winlog.user_data",
                                         "Event.EventData", "Event.System"};
constexpr std::pair<std::string_view, std::string_view> aliases[] = {
    {"winlog.channel", "Channel"},
    {"winlog.event_id", "EventID"},
    {"winlog.provider_name", "Provider_Name"},
    {"winlog.provider_guid", "Provider_Guid"},
    {"winlog.computer_name", "Computer"},
    {"winlog.record_id", "EventRecordID"},
    {"Event.System.EventID.#text", "EventID"},
    {"Event.System.Provider.#attributes.Name", "Provider_Name"},
    {"Event.System.Provider.#attributes.Guid", "Provider_Guid"},
    {"Event.System.TimeCreated.#attributes.SystemTime", "TimeCreated_SystemTime"},
    {"Event.System.Execution.#attributes.ProcessID", "Execution_ProcessID"},
    {"Event.System.Security.#attributes.UserID", "Security_UserID"},
};

/// What a saved window depends on: a correlation that changed in any of this starts with empty
/// windows.
std::uint64_t definition_of(const Document& doc) {
  const auto& spec = *doc.correlation;
  std::string text = doc.info.id + '\n' + doc.info.name + '\n' +
                     std::to_string(static_cast<int>(spec.type)) + '\n';
  const auto add = [&](const std::vector<std::string>& list) {
    for (const auto& s : list) text += s + '\n';
    text += '\f';
  };
  add(spec.rules);
  add(spec.group_by);
  add(spec.fields);
  for (const auto& [alias, map] : spec.aliases)
    for (const auto& [rule, field] : map) text += alias + '\t' + rule + '\t' + field + '\n';
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return h;
}

using NameMap = std::unordered_map<std::string, std::vector<std::uint32_t>>;

/// Correlations in an order in which each comes after the rules it refers to. Those that cannot be
/// placed (unknown rules, circles) are refused.
void add_correlations(std::vector<Document>& documents, EngineImpl& engine, Compiler& compiler,
                      NameMap& names, LoadReport& report) {
  std::vector<bool> done(documents.size());
  for (bool progress = true; progress;) {
    progress = false;
    for (std::size_t i = 0; i < documents.size(); ++i) {
      if (done[i]) continue;
      auto& doc = documents[i];
      const auto& spec = *doc.correlation;
      if (!std::all_of(spec.rules.begin(), spec.rules.end(),
                       [&](const auto& r) { return names.contains(r); }))
        continue;
      done[i] = progress = true;
      CompiledCorrelation c;
      c.rule = static_cast<std::uint32_t>(engine.infos.size());
      for (const auto& name : spec.rules) {
        const auto source = names[name].front();
        c.sources.push_back(source);
        std::vector<std::string> group;
        for (const auto& field : spec.group_by) {
          const auto alias = spec.aliases.find(field);
          if (alias == spec.aliases.end()) {
            group.push_back(field);
            continue;
          }
          const auto mapped = alias->second.find(name);
          group.push_back(mapped == alias->second.end() ? field : mapped->second);
        }
        c.group_fields.push_back(std::move(group));
      }
      c.spec = spec;
      c.definition = definition_of(doc);
      compiler.add_correlation(doc);
      if (!doc.info.id.empty()) names[doc.info.id].push_back(c.rule);
      if (!doc.info.name.empty()) names[doc.info.name].push_back(c.rule);
      engine.correlations.push_back(std::move(c));
      ++report.loaded;
    }
  }
  for (std::size_t i = 0; i < documents.size(); ++i) {
    if (done[i]) continue;
    const auto& doc = documents[i];
    std::string missing;
    for (const auto& r : doc.correlation->rules)
      if (!names.contains(r)) missing += (missing.empty() ? "'" : "', '") + r;
    ++report.refused;
    report.errors.push_back(
        {doc.info.file, doc.info.line,
         "the correlation refers to " + missing + "', which is not loaded (or refers back to it)"});
  }
}

void link_correlations(EngineImpl& engine) {
  engine.feeds.resize(engine.infos.size());
  std::vector<bool> referred(engine.infos.size()), generated(engine.infos.size());
  for (std::uint32_t i = 0; i < engine.correlations.size(); ++i) {
    const auto& c = engine.correlations[i];
    for (const auto source : c.sources) {
      auto& feeds = engine.feeds[source];
      if (std::find(feeds.begin(), feeds.end(), i) == feeds.end()) feeds.push_back(i);
      referred[source] = true;
      if (c.spec.generate) generated[source] = true;
    }
  }
  for (std::size_t i = 0; i < engine.infos.size(); ++i)
    engine.infos[i].silent = referred[i] && !generated[i];
}

/// The filters of each rule, by position of the rule.
std::vector<std::vector<const Document*>> match_filters(const Loaded& loaded, LoadReport& report) {
  std::vector<std::vector<const Document*>> out(loaded.detections.size());
  for (const auto& filter : loaded.filters) {
    const auto& f = *filter.filter;
    bool used = false;
    for (std::size_t i = 0; i < loaded.detections.size(); ++i) {
      const auto& rule = loaded.detections[i];
      const bool named =
          f.rules.empty() || std::any_of(f.rules.begin(), f.rules.end(), [&](const auto& r) {
            return r == rule.info.id || (!rule.info.name.empty() && r == rule.info.name);
          });
      if (!named || !f.logsource.covers(rule.logsource)) continue;
      out[i].push_back(&filter);
      used = true;
    }
    ++report.loaded;
    if (!used)
      report.warnings.push_back(
          {filter.info.file, filter.info.line, "the filter applies to no loaded rule"});
  }
  return out;
}

void intern_routing_fields(EngineImpl& engine) {
  auto& fields = engine.fields;
  engine.channel = fields.intern("Channel");
  engine.event_id = fields.intern("EventID");
  engine.event_type = fields.intern("event_type");
  engine.marker_ww = fields.intern("ww");
  engine.marker_flow = fields.intern("flow_id");
  engine.log_product = fields.intern("log.product");
  engine.log_service = fields.intern("log.service");
  engine.log_category = fields.intern("log.category");
}

}  // namespace

namespace {

Result<std::shared_ptr<const Engine>, Problem> compile_documents(Loaded loaded,
                                                                 const LoadOptions& options,
                                                                 LoadReport& report) {
  auto engine = std::make_shared<EngineImpl>();
  engine->route = options.route_by_logsource;
  Compiler compiler(*engine);
  intern_routing_fields(*engine);
  NameMap names;
  const auto filters = match_filters(loaded, report);
  std::set<std::string> unmapped;
  for (std::size_t i = 0; i < loaded.detections.size(); ++i) {
    const auto& rule = loaded.detections[i];
    const auto index = static_cast<std::uint32_t>(engine->infos.size());
    if (auto done = compiler.add(rule, filters[i]); !done) {
      ++report.refused;
      report.errors.push_back(done.error());
      continue;
    }
    ++report.loaded;
    if (!rule.info.id.empty()) names[rule.info.id].push_back(index);
    if (!rule.info.name.empty()) names[rule.info.name].push_back(index);
    if (options.route_by_logsource)
      if (auto why = unmapped_reason(rule.logsource); !why.empty() && unmapped.insert(why).second)
        report.warnings.push_back({rule.info.file, rule.info.line, std::move(why)});
  }
  add_correlations(loaded.correlations, *engine, compiler, names, report);
  link_correlations(*engine);
  for (const auto path : overlays) engine->fields.overlay(path);
  for (const auto& [path, name] : aliases) engine->fields.alias(path, name);
  engine->fields.freeze();
  compiler.finish(report);
  engine->build_routes();
  return std::shared_ptr<const Engine>(std::move(engine));
}

}  // namespace

Result<std::shared_ptr<const Engine>, Problem> Engine::load(const std::vector<std::string>& paths,
                                                            const LoadOptions& options,
                                                            LoadReport& report) {
  ModifierContext context{&options.placeholders, false};
  auto loaded = load_documents(paths, context, report);
  if (!loaded) return fail(loaded.error());
  return compile_documents(std::move(*loaded), options, report);
}

}  // namespace ww::sigma
