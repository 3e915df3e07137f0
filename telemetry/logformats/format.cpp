#include "telemetry/logformats/format.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>

#include "telemetry/bytes.hpp"
#include "telemetry/logformats/declared.hpp"
#include "telemetry/logformats/pattern.hpp"

namespace ww::logs {
namespace {

std::vector<std::shared_ptr<const Format>>& registered() {
  static std::vector<std::shared_ptr<const Format>> formats;
  return formats;
}

// Compiled once: formats hold nothing of a source, so that every list shares them.
const std::vector<std::shared_ptr<const Format>>& shipped() {
  static const auto formats = [] {
    std::vector<std::shared_ptr<const Format>> made;
    for (const auto& [name, text] : shipped_declared_formats()) {
      auto format = make_declared_format(text, std::string(name));
      if (!format) std::abort();  // a test loads every one of them
      made.push_back(std::move(*format));
    }
    return made;
  }();
  return formats;
}

void make_plain(std::string_view line, Record& out) {
  out.clear();
  out.message = line;
}

}  // namespace

FormatRegistration::FormatRegistration(std::shared_ptr<const Format> format) {
  for (const auto& f : registered())
    if (f->name() == format->name())
      std::abort();  // two files claim one name: a mistake of ours, seen at start-up
  registered().push_back(std::move(format));
}

Formats::Formats() {
  for (const auto& f : registered()) add(f);
  for (const auto& f : shipped()) add(f);
  index();
}

const Formats& Formats::builtin() {
  static const Formats formats;
  return formats;
}

const Formats& Formats::none() {
  static const Formats formats{Empty{}};
  return formats;
}

void Formats::add(std::shared_ptr<const Format> format) {
  std::erase_if(formats_, [&](const auto& f) { return f->name() == format->name(); });
  const auto before = std::find_if(formats_.begin(), formats_.end(), [&](const auto& f) {
    return f->order() > format->order() ||
           (f->order() == format->order() && f->name() > format->name());
  });
  formats_.insert(before, std::move(format));
}

void Formats::index() {
  for (auto& list : by_first_) list.clear();
  grouping_.clear();
  by_program_.clear();
  for (const auto& f : formats_) {
    for (std::size_t i = 0; i < by_first_.size(); ++i)
      if (f->may_start(static_cast<unsigned char>(i))) by_first_[i].push_back(f.get());
    if (f->groups()) grouping_.push_back(f.get());
    for (auto& p : f->programs()) by_program_.emplace_back(std::move(p), f.get());
  }
}

const Format* Formats::of_program(std::string_view program) const {
  for (const auto& [name, format] : by_program_)
    if (name == program) return format;
  return nullptr;
}

Result<void, Problem> Formats::add_declared(std::string_view yaml, const std::string& where) {
  auto made = make_declared_format(yaml, where);
  if (!made) return fail(made.error());
  add(std::move(*made));
  index();
  return {};
}

Result<void, Problem> Formats::add_declared_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return fail(
        Problem{"cannot open the declared format", path, "check the path and its permissions"});
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return add_declared(text, path);
}

const Format* Formats::find(std::string_view name) const {
  for (const auto& f : formats_)
    if (f->name() == name) return f.get();
  return nullptr;
}

void parse_line(const Formats& formats, std::string_view line, const Context& given, Record& out,
                const Format*& hint) {
  SourceMemory none;
  Context context = given;
  if (context.memory == nullptr) {
    none.formats = &formats;
    context.memory = &none;
  }
  out.clear();
  if (hint != nullptr && !hint->yields() && hint->parse(line, context, out)) {
    if (out.format.empty()) out.format = hint->name();
    return;
  }
  for (const auto* f : formats.candidates(line)) {
    if (f == hint ? !f->yields() : !f->plausible(line)) continue;
    out.clear();
    if (!f->parse(line, context, out)) continue;
    hint = f;
    if (out.format.empty()) out.format = f->name();
    return;
  }
  make_plain(line, out);
}

bool read_inside(const Context& context, Record& record) {
  auto* memory = context.memory;
  if (memory == nullptr || memory->formats == nullptr) return false;
  const Context inside{context.reference, context.zone, nullptr};
  const auto fields = record.fields.size();
  const auto time = record.time;
  const auto text = record.message, host = record.host, severity = record.severity;
  const auto object = record.fields_object;
  const auto product = record.product, service = record.service, category = record.category;
  const auto fits = [&](const Format* f) {
    record.product = record.service = record.category = record.severity = record.format = {};
    if (f->parse(text, inside, record)) {
      if (record.format.empty()) record.format = f->name();
      if (time) record.time = time;
      if (record.host.empty()) record.host = host;
      if (record.severity.empty()) record.severity = severity;
      return true;
    }
    record.fields.resize(fields);
    record.fields_object = object;
    record.message = text;
    record.time = time;
    record.host = host;
    return false;
  };
  if (memory->inner != nullptr && fits(memory->inner)) return true;
  for (const auto* f : memory->formats->candidates(text)) {
    if (f == memory->inner || !f->plausible(text) || !fits(f)) continue;
    memory->inner = f;
    return true;
  }
  record.product = product;
  record.service = service;
  record.category = category;
  record.severity = severity;
  record.format = {};
  return false;
}

namespace {

class Parser final : public SourceParser {
 public:
  Parser(Options options, const Formats& formats, const Format* fixed, std::optional<Pattern> start)
      : options_(std::move(options)),
        formats_(formats),
        fixed_(fixed),
        hint_(fixed),
        start_(std::move(start)) {
    memory_.formats = &formats_;
  }

  void feed(std::string_view line, Timestamp reference, const Emit& emit) override {
    if (start_)
      take({start_->matches(line) ? Membership::Kind::starts : Membership::Kind::continues}, fixed_,
           line, reference, emit);
    else if (fixed_ != nullptr)
      take(fixed_->membership(line), fixed_, line, reference, emit);
    else
      detect(line, reference, emit);
  }

  void flush(Timestamp reference, const Emit& emit) override {
    close_open(reference, emit);
    while (!groups_.empty()) close_group(groups_.begin(), reference, emit);
  }

  [[nodiscard]] bool pending() const override { return has_open_ || !groups_.empty(); }

  // Saved form: u32 length then the octets, one entry for each open record; the first octet tells
  // which kind.
  [[nodiscard]] std::string save() const override {
    std::string out;
    const auto put = [&](char kind, std::uint64_t key, std::string_view text) {
      const auto n = static_cast<std::uint32_t>(text.size());
      out += kind;
      out.append(reinterpret_cast<const char*>(&key), sizeof key);
      out.append(reinterpret_cast<const char*>(&n), sizeof n);
      out += text;
    };
    if (hint_ != nullptr && fixed_ == nullptr) put('f', 0, hint_->name());
    if (!memory_.header.empty()) put('h', 0, memory_.header);
    if (has_open_) put('o', 0, open_);
    for (const auto& [order, g] : groups_) put('g', g.key, g.text);
    return out;
  }

  void restore(std::string_view saved) override {
    ByteReader r(as_bytes(saved));
    while (!r.empty()) {
      const auto kind = r.u8();
      const auto key = r.u64le();
      const auto text = r.text(r.u32le());
      if (!r.ok()) return;
      if (kind == 'f') {
        if (fixed_ == nullptr) hint_ = formats_.find(text);
      } else if (kind == 'h') {
        memory_.header.assign(text.substr(0, SourceMemory::max_header_octets));
      } else if (kind == 'o') {
        open_.assign(text);
        open_format_ = hint_;
        has_open_ = true;
      } else if (groups_.size() < options_.max_pending) {
        by_key_[key] = next_order_;
        groups_.emplace(next_order_++, Group{key, std::string(text)});
      }
    }
    if (!groups_.empty() && hint_ == nullptr) hint_ = formats_.find("auditd");
  }

 private:
  struct Group {
    std::uint64_t key = 0;
    std::string text;
  };
  using Groups = std::map<std::uint64_t, Group>;  // by order of first line

  /// A line whose place is known: it is a record, begins one, continues one or is one of several.
  void take(const Membership& m, const Format* format, std::string_view line, Timestamp reference,
            const Emit& emit) {
    switch (m.kind) {
      case Membership::Kind::alone:
        close_open(reference, emit);
        parse_and_emit(line, format, reference, emit);
        break;
      case Membership::Kind::starts:
        close_open(reference, emit);
        open(line, format);
        break;
      case Membership::Kind::continues:
        if (!has_open_) {
          parse_and_emit(line, format, reference, emit);
        } else if (open_.size() + line.size() >= options_.max_record_octets) {
          close_open(reference, emit);
          open(line, format);
        } else {
          open_ += '\n';
          open_ += line;
        }
        break;
      case Membership::Kind::member:
        join(m, line, reference, emit);
        break;
    }
  }

  void detect(std::string_view line, Timestamp reference, const Emit& emit) {
    const Context context{reference, &options_.zone, &memory_};
    if (hint_ != nullptr && hint_->yields() && choose(line, hint_->order(), context, emit)) return;
    const auto* held = hint_;
    if (held != nullptr && held->joins()) {
      const auto m = held->membership(line);
      if (m.kind == Membership::Kind::starts || m.kind == Membership::Kind::member ||
          (m.kind == Membership::Kind::continues && has_open_ && !foreign(line, reference)))
        return take(m, held, line, reference, emit);
    }
    for (const auto* f : formats_.grouping()) {
      if (f == held) continue;
      const auto m = f->membership(line);
      if (m.kind != Membership::Kind::member) continue;
      hint_ = f;
      return take(m, f, line, reference, emit);
    }
    close_open(reference, emit);
    if (held != nullptr && !held->joins() && fits(*held, line, context)) return finish(line, emit);
    if (choose(line, std::numeric_limits<int>::max(), context, emit)) return;
    make_plain(line, record_);
    finish(line, emit);
  }

  /// Gives the line to the first format before `order` that it fits, which is held from here on.
  bool choose(std::string_view line, int order, const Context& context, const Emit& emit) {
    for (const auto* f : formats_.candidates(line)) {
      if (f->order() >= order) return false;
      if (f == hint_ || !f->plausible(line)) continue;
      if (f->joins()) {
        const auto m = f->membership(line);
        if (m.kind != Membership::Kind::starts && m.kind != Membership::Kind::member) continue;
        hint_ = f;
        take(m, f, line, context.reference, emit);
        return true;
      }
      if (!fits(*f, line, context)) continue;
      // What is open was before this line; closing it needs the record that now holds this one.
      if (has_open_) {
        close_open(context.reference, emit);
        (void)fits(*f, line, context);
      }
      hint_ = f;
      finish(line, emit);
      return true;
    }
    return false;
  }

  /// Whether a line that does not begin a record of the held format is one of another, time and
  /// all: files that several programs write are mixed like this.
  bool foreign(std::string_view line, Timestamp reference) {
    const Context context{reference, &options_.zone, nullptr};
    for (const auto* f : formats_.candidates(line)) {
      if (f == hint_ || !f->plausible(line)) continue;
      record_.clear();
      if (f->parse(line, context, record_) && record_.time) return true;
    }
    return false;
  }

  void join(const Membership& m, std::string_view line, Timestamp reference, const Emit& emit) {
    auto it = by_key_.find(m.key);
    if (it == by_key_.end()) {
      if (groups_.size() >= options_.max_pending) close_group(groups_.begin(), reference, emit);
      it = by_key_.emplace(m.key, next_order_).first;
      groups_.emplace(next_order_++, Group{m.key, std::string(line)});
    } else {
      auto& text = groups_[it->second].text;
      if (text.size() + line.size() < options_.max_record_octets) {
        text += '\n';
        text += line;
      } else {
        close_group(groups_.find(it->second), reference, emit);
        by_key_[m.key] = next_order_;
        groups_.emplace(next_order_++, Group{m.key, std::string(line)});
        it = by_key_.find(m.key);
      }
    }
    if (m.last) close_group(groups_.find(it->second), reference, emit);
  }

  void close_group(Groups::iterator it, Timestamp reference, const Emit& emit) {
    const auto text = std::move(it->second.text);
    by_key_.erase(it->second.key);
    groups_.erase(it);
    parse_and_emit(text, hint_, reference, emit);
  }

  void open(std::string_view line, const Format* format) {
    open_.assign(line);
    open_format_ = format;
    has_open_ = true;
  }

  void close_open(Timestamp reference, const Emit& emit) {
    if (!has_open_) return;
    has_open_ = false;
    parse_and_emit(open_, open_format_, reference, emit);
    open_.clear();
  }

  bool fits(const Format& format, std::string_view line, const Context& context) {
    record_.clear();
    if (!format.parse(line, context, record_)) return false;
    if (record_.format.empty()) record_.format = format.name();
    return true;
  }

  /// A whole record, by the format that its first line fitted or else by any.
  void parse_and_emit(std::string_view line, const Format* format, Timestamp reference,
                      const Emit& emit) {
    const Context context{reference, &options_.zone, &memory_};
    if (fixed_ == nullptr)
      parse_line(formats_, line, context, record_, format);
    else if (!fits(*fixed_, line, context))
      make_plain(line, record_);
    finish(line, emit);
  }

  void finish(std::string_view line, const Emit& emit) {
    if (!options_.product.empty()) record_.product = options_.product;
    if (!options_.service.empty()) record_.service = options_.service;
    if (!options_.category.empty()) record_.category = options_.category;
    if (!options_.host.empty() && record_.host.empty()) record_.host = options_.host;
    emit(record_, line);
  }

  Options options_;
  const Formats& formats_;
  const Format* fixed_;
  const Format* hint_;
  std::optional<Pattern> start_;
  Record record_;
  SourceMemory memory_;
  std::string open_;
  const Format* open_format_ = nullptr;
  bool has_open_ = false;
  Groups groups_;
  std::map<std::uint64_t, std::uint64_t> by_key_;
  std::uint64_t next_order_ = 0;
};

}  // namespace

Result<std::unique_ptr<SourceParser>, Problem> SourceParser::make(Options options,
                                                                  const Formats& formats) {
  const Format* fixed = nullptr;
  if (options.format != "auto" && options.format != "plain" && !options.format.empty()) {
    fixed = formats.find(options.format);
    if (fixed == nullptr) {
      std::string known;
      for (const auto& f : formats.all()) (known += known.empty() ? "" : ", ") += f->name();
      return fail(
          Problem{"unknown log format", options.format, "use auto, plain or one of " + known});
    }
  }
  std::optional<Pattern> start;
  if (!options.multiline_start.empty()) {
    auto p = Pattern::compile(options.multiline_start);
    if (!p)
      return fail(Problem{"multiline start: " + p.error(), options.multiline_start,
                          "correct the expression"});
    start = std::move(*p);
  }
  const auto& used = options.format == "plain" ? Formats::none() : formats;
  return std::make_unique<Parser>(std::move(options), used, fixed, std::move(start));
}

}  // namespace ww::logs
