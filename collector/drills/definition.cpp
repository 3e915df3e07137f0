#include "collector/drills/definition.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <set>

#include "playbooks/json_text.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::collector {
namespace json = boost::json;
namespace fs = std::filesystem;
namespace {

constexpr std::size_t max_inputs = 50, max_input_octets = 1U << 20;
const std::set<std::string> input_kinds{"log", "capture", "conversation", "hl7", "audit_xml"};

bool good_id(std::string_view id) {
  return !id.empty() && id.size() <= 80 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string check_detection(const json::object& d) {
  const auto* inputs = member_list(d, "inputs");
  if (inputs == nullptr || inputs->empty() || inputs->size() > max_inputs)
    return "detection.inputs: needs 1 to 50 inputs";
  std::size_t octets = 0;
  for (const auto& v : *inputs) {
    if (!v.is_object()) return "detection.inputs: must hold objects";
    const auto& i = v.get_object();
    const auto kind = member_text(i, "kind");
    if (!input_kinds.contains(kind))
      return "detection.inputs: kind must be log, capture, conversation, hl7 or audit_xml";
    if (kind == "log" && member_texts(i, "lines").empty()) return "a log input needs lines";
    if (kind == "hl7" && member_texts(i, "messages").empty()) return "an hl7 input needs messages";
    if (kind == "audit_xml" && member_texts(i, "documents").empty())
      return "an audit_xml input needs documents";
    if (kind == "capture" && member_text(i, "file").empty() && member_text(i, "base64").empty())
      return "a capture input needs file or base64";
    if (kind == "conversation" && member_text(i, "client").empty())
      return "a conversation input needs client";
    octets += json::serialize(v).size();
  }
  if (octets > max_input_octets) return "detection.inputs: more than 1 MiB";
  const auto* expect = member_list(d, "expect");
  if (expect != nullptr)
    for (const auto& v : *expect)
      if (!v.is_object() || member_text(v.get_object(), "rule").empty())
        return "detection.expect: each needs a rule";
  if ((expect == nullptr || expect->empty()) && member_texts(d, "must_not_fire").empty())
    return "detection: needs expect or must_not_fire";
  return {};
}

std::string check(const DrillDefinition& d) {
  if (!good_id(d.id)) return "id: lower-case letters, digits and dashes";
  if (d.title.empty()) return "title: is missing";
  if (d.purpose.empty()) return "purpose: say what the drill is for";
  if (member_texts(d.json, "safety").empty()) return "safety: name at least one safety rule";
  if (d.kind == "restore") {
    const auto* r = member_object(d.json, "restore");
    if (r == nullptr || member_text(*r, "target").empty())
      return "restore.target: names a restore target of the sensor's configuration";
    return {};
  }
  if (d.kind == "detection") {
    const auto* x = member_object(d.json, "detection");
    return x == nullptr ? "detection: is missing" : check_detection(*x);
  }
  if (d.kind == "tabletop" || d.kind == "functional") {
    const auto* e = member_object(d.json, "exercise");
    if (e == nullptr || member_text(*e, "playbook").empty()) return "exercise.playbook: is missing";
    return {};
  }
  return "kind: must be restore, detection, tabletop or functional";
}

/// A capture beside the definition becomes part of it, so that it can be sent.
std::string embed_captures(DrillDefinition& d, const fs::path& folder) {
  auto* detection = d.json.if_contains("detection");
  if (detection == nullptr || !detection->is_object()) return {};
  auto* inputs = detection->get_object().if_contains("inputs");
  if (inputs == nullptr || !inputs->is_array()) return {};
  for (auto& v : inputs->get_array()) {
    auto& i = v.get_object();
    const auto name = member_text(i, "file");
    if (member_text(i, "kind") != "capture" || name.empty()) continue;
    if (name.find('/') != std::string::npos) return "a capture lies beside the definition: " + name;
    std::ifstream in(folder / name, std::ios::binary);
    std::string octets(max_input_octets, '\0');
    in.read(octets.data(), static_cast<std::streamsize>(octets.size()));
    if (in.gcount() <= 0) return "cannot read the capture " + name;
    if (in) return "the capture " + name + " is larger than 1 MiB";
    octets.resize(static_cast<std::size_t>(in.gcount()));
    std::string coded;
    append_base64(coded, as_bytes(octets));
    i["base64"] = coded;
    i["sha256"] = playbooks::sha256_hex(octets);
  }
  return {};
}

}  // namespace

std::string member_text(const json::object& o, std::string_view name, std::string_view fallback) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string(fallback);
}
std::int64_t member_integer(const json::object& o, std::string_view name, std::int64_t fallback) {
  const auto* v = o.if_contains(name);
  if (v == nullptr || !v->is_number()) return fallback;
  boost::system::error_code ec;
  const auto n = v->to_number<std::int64_t>(ec);
  return ec ? fallback : n;
}
const json::object* member_object(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_object() ? &v->get_object() : nullptr;
}
const json::array* member_list(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_array() ? &v->get_array() : nullptr;
}
std::vector<std::string> member_texts(const json::object& o, std::string_view name) {
  std::vector<std::string> out;
  if (const auto* list = member_list(o, name))
    for (const auto& v : *list)
      if (v.is_string()) out.emplace_back(v.get_string());
  return out;
}

Result<DrillDefinition, std::string> parse_definition(std::string_view text) {
  auto parsed = playbooks::parse_json(text);
  if (!parsed) return fail(parsed.error());
  if (!parsed->is_object() || member_text(parsed->get_object(), "type") != "wardwatch-drill")
    return fail(std::string("type: must be \"wardwatch-drill\""));
  DrillDefinition d;
  d.json = parsed->get_object();
  d.id = member_text(d.json, "id");
  d.title = member_text(d.json, "title");
  d.kind = member_text(d.json, "kind");
  d.purpose = member_text(d.json, "purpose");
  d.level = member_text(d.json, "level",
                        d.kind == "restore"     ? "technical_restore"
                        : d.kind == "detection" ? "functional"
                                                : d.kind);
  if (auto wrong = check(d); !wrong.empty()) return fail(std::move(wrong));
  return d;
}

DefinitionSet load_definitions(const std::vector<std::string>& folders) {
  DefinitionSet out;
  for (const auto& folder : folders) {
    std::error_code ec;
    std::vector<fs::path> files;
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec))
      if (it->path().extension() == ".json") files.push_back(it->path());
    if (ec) out.problems.emplace_back(folder, "cannot read the folder: " + ec.message());
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      std::ifstream in(file, std::ios::binary);
      std::string text((std::istreambuf_iterator<char>(in)), {});
      auto d = parse_definition(text);
      std::string wrong = d ? embed_captures(*d, file.parent_path()) : d.error();
      if (wrong.empty() && out.all.contains(d->id))
        wrong = "the id " + d->id + " stands there twice";
      if (!wrong.empty()) {
        out.problems.emplace_back(file.string(), wrong);
        continue;
      }
      d->file = file.string();
      auto id = d->id;
      out.all.emplace(std::move(id), std::move(*d));
    }
  }
  return out;
}

}  // namespace ww::collector
