#include "rules/sigma/engine.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <unordered_map>

#include "rules/sigma/pipeline.hpp"

namespace ww::sigma {
namespace {

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
    for (const auto& [rule, field] : map)
      text.append(alias).append("\t").append(rule).append("\t").append(field).append("\n");
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return h;
}

using NameMap = std::unordered_map<std::string, std::vector<std::uint32_t>>;
using FieldMaps =
    std::vector<std::map<std::string, std::string>>;  ///< by rule: what pipelines made of fields

/// Correlations in an order in which each comes after the rules it refers to. Those that cannot be
/// placed (unknown rules, circles) are refused.
void add_correlations(std::vector<Document>& documents, EngineImpl& engine, Compiler& compiler,
                      NameMap& names, FieldMaps& maps, LoadReport& report) {
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
      std::map<std::string, std::string> merged;
      c.rule = static_cast<std::uint32_t>(engine.infos.size());
      for (const auto& name : spec.rules) {
        const auto source = names[name].front();
        c.sources.push_back(source);
        const auto& map = maps[source];
        for (const auto& [field, to] : map) {  // for correlations upon this one
          auto& known = merged[field];
          known += (known.empty() ? "" : "\n") + to;
        }
        const auto as_mapped = [&](const std::string& field) {
          const auto it = map.find(field);
          return it == map.end() ? field : it->second;
        };
        std::vector<std::string> group, value;
        for (const auto& field : spec.group_by) {
          const auto alias = spec.aliases.find(field);
          const auto here = alias == spec.aliases.end() ? decltype(alias->second.find(name)){}
                                                        : alias->second.find(name);
          const bool aliased = alias != spec.aliases.end() && here != alias->second.end();
          group.push_back(as_mapped(aliased ? here->second : field));
        }
        for (const auto& field : spec.fields) value.push_back(as_mapped(field));
        c.group_fields.push_back(std::move(group));
        c.value_fields.push_back(std::move(value));
      }
      maps.push_back(std::move(merged));
      c.spec = spec;
      c.definition = definition_of(doc);
      c.about = correlation_text(spec);
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
  for (std::size_t i = 0; i < engine.infos.size(); ++i) {
    engine.infos[i].feeds = referred[i];
    engine.infos[i].silent = referred[i] && !generated[i];
  }
}

/// And-s each filter's condition, as written, with the condition of every rule that it is meant
/// for. Its identifiers get names of their own. This comes before pipelines, so that a filter goes
/// through the changes of its rule.
void merge_filters(Loaded& loaded, LoadReport& report) {
  std::uint32_t number = 0;
  for (const auto& filter : loaded.filters) {
    const auto& f = *filter.filter;
    const auto& title = filter.info.title.empty() ? filter.info.id : filter.info.title;
    const std::string prefix = "filter " + std::to_string(++number) + " (" + title + "): ";
    Condition extra;
    extra.op = Condition::Op::any_of;
    extra.parts = f.conditions;
    const std::function<void(Condition&)> rename = [&](Condition& c) {
      if (c.op == Condition::Op::identifier) c.text = prefix + c.text;
      for (auto& part : c.parts) rename(part);
    };
    rename(extra);
    bool used = false;
    for (auto& rule : loaded.detections) {
      const bool named =
          f.rules.empty() || std::any_of(f.rules.begin(), f.rules.end(), [&](const auto& r) {
            return r == rule.info.id || (!rule.info.name.empty() && r == rule.info.name);
          });
      if (!named || !f.logsource.covers(rule.logsource)) continue;
      used = true;
      for (const auto& identifier : f.identifiers)
        rule.identifiers.push_back({prefix + identifier.name, identifier.detection});
      for (auto& condition : rule.conditions) {
        Condition both;
        both.op = Condition::Op::all_of;
        both.parts.push_back(std::move(condition));
        both.parts.push_back(extra);
        condition = std::move(both);
      }
    }
    ++report.loaded;
    if (!used)
      report.warnings.push_back(
          {filter.info.file, filter.info.line, "the filter applies to no loaded rule"});
  }
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
  FieldMaps maps;
  std::set<std::string> unmapped;
  for (std::size_t i = 0; i < loaded.detections.size(); ++i) {
    const auto& rule = loaded.detections[i];
    const auto index = static_cast<std::uint32_t>(engine->infos.size());
    if (auto done = compiler.add(rule); !done) {
      ++report.refused;
      report.errors.push_back(done.error());
      continue;
    }
    ++report.loaded;
    maps.push_back(rule.mapped_fields);
    if (!rule.info.id.empty()) names[rule.info.id].push_back(index);
    if (!rule.info.name.empty()) names[rule.info.name].push_back(index);
    if (options.route_by_logsource)
      if (auto why = unmapped_reason(rule.logsource); !why.empty() && unmapped.insert(why).second)
        report.warnings.push_back({rule.info.file, rule.info.line, std::move(why)});
  }
  add_correlations(loaded.correlations, *engine, compiler, names, maps, report);
  link_correlations(*engine);
  add_event_shapes(engine->fields);
  engine->fields.freeze();
  compiler.finish(report);
  engine->build_routes();
  return std::shared_ptr<const Engine>(std::move(engine));
}

}  // namespace

namespace {

struct Prepared {
  std::vector<Pipeline> pipelines;
  ModifierContext context;
};
Result<Prepared, Problem> prepare(const LoadOptions& options) {
  Prepared out;
  for (const auto& file : options.pipelines) {
    auto pipeline = Pipeline::from_file(file);
    if (!pipeline) return fail(pipeline.error());
    out.pipelines.push_back(std::move(*pipeline));
  }
  out.context.placeholders = &options.placeholders;
  out.context.keep_placeholders = std::any_of(out.pipelines.begin(), out.pipelines.end(),
                                              [](const auto& p) { return p.fills_placeholders(); });
  return out;
}

Result<std::shared_ptr<const Engine>, Problem> build(Loaded loaded, Prepared prepared,
                                                     const LoadOptions& options,
                                                     LoadReport& report) {
  merge_filters(loaded, report);
  apply_pipelines(std::move(prepared.pipelines), options.placeholders, loaded, report);
  return compile_documents(std::move(loaded), options, report);
}

}  // namespace

Result<std::shared_ptr<const Engine>, Problem> Engine::load(const std::vector<std::string>& paths,
                                                            const LoadOptions& options,
                                                            LoadReport& report) {
  auto prepared = prepare(options);
  if (!prepared) return fail(prepared.error());
  auto loaded = load_documents(paths, prepared->context, report);
  if (!loaded) return fail(loaded.error());
  return build(std::move(*loaded), std::move(*prepared), options, report);
}

Result<std::shared_ptr<const Engine>, Problem> Engine::from_texts(
    const std::vector<std::pair<std::string, std::string>>& texts, const LoadOptions& options,
    LoadReport& report) {
  auto prepared = prepare(options);
  if (!prepared) return fail(prepared.error());
  Loaded loaded;
  for (const auto& [name, text] : texts) load_text(text, name, prepared->context, loaded, report);
  return build(std::move(loaded), std::move(*prepared), options, report);
}

}  // namespace ww::sigma
