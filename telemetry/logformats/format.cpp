#include "telemetry/logformats/format.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
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
  for (const auto& [name, text] : shipped_declared_formats())
    if (auto ok = add_declared(text, std::string(name)); !ok)
      std::abort();  // a test loads every one of them
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

Result<void, Problem> Formats::add_declared(std::string_view yaml, const std::string& where) {
  auto made = make_declared_format(yaml, where);
  if (!made) return fail(made.error());
  add(std::move(*made));
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

void parse_line(const Formats& formats, std::string_view line, const Context& context, Record& out,
                const Format*& hint) {
  out.clear();
  if (hint != nullptr && hint->parse(line, context, out)) {
    if (out.format.empty()) out.format = hint->name();
    return;
  }
  for (const auto& f : formats.all()) {
    if (f.get() == hint) continue;
    out.clear();
    if (!f->parse(line, context, out)) continue;
    hint = f.get();
    if (out.format.empty()) out.format = f->name();
    return;
  }
  make_plain(line, out);
}

namespace {

class Parser final : public SourceParser {
 public:
  Parser(Options options, const Formats& formats, const Format* fixed, std::optional<Pattern> start)
      : options_(std::move(options)),
        formats_(formats),
        fixed_(fixed),
        hint_(fixed),
        start_(std::move(start)) {}

  void feed(std::string_view line, Timestamp reference, const Emit& emit) override {
    const auto m = membership(line);
    switch (m.kind) {
      case Membership::Kind::alone:
        if (!open_.empty()) close_open(reference, emit);
        parse_and_emit(line, reference, emit);
        break;
      case Membership::Kind::starts:
        close_open(reference, emit);
        open_.assign(line);
        has_open_ = true;
        break;
      case Membership::Kind::continues:
        if (!has_open_) {
          parse_and_emit(line, reference, emit);
        } else if (open_.size() + line.size() >= options_.max_record_octets) {
          close_open(reference, emit);
          open_.assign(line);
          has_open_ = true;
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
      if (kind == 'o') {
        open_.assign(text);
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

  Membership membership(std::string_view line) {
    if (start_)
      return {start_->matches(line) ? Membership::Kind::starts : Membership::Kind::continues};
    if (fixed_ != nullptr) return fixed_->membership(line);
    if (hint_ != nullptr && hint_->joins()) {
      const auto m = hint_->membership(line);
      // A guessed format joins only what it recognises; a line that merely does not fit stands
      // alone.
      if (m.kind != Membership::Kind::continues || has_open_) return m;
    }
    // The first line of a joining format must not be emitted alone just because no guess was made
    // yet.
    for (const auto& f : formats_.all()) {
      if (!f->joins() || f.get() == hint_) continue;
      const auto m = f->membership(line);
      if (m.kind != Membership::Kind::starts && m.kind != Membership::Kind::member) continue;
      if (hint_ != nullptr && m.kind == Membership::Kind::starts)
        continue;  // the guess that holds has precedence
      hint_ = f.get();
      return m;
    }
    return {};
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
    parse_and_emit(text, reference, emit);
  }

  void close_open(Timestamp reference, const Emit& emit) {
    if (!has_open_) return;
    has_open_ = false;
    parse_and_emit(open_, reference, emit);
    open_.clear();
  }

  void parse_and_emit(std::string_view line, Timestamp reference, const Emit& emit) {
    const Context context{reference, &options_.zone};
    if (fixed_ != nullptr) {
      record_.clear();
      if (fixed_->parse(line, context, record_)) {
        if (record_.format.empty()) record_.format = fixed_->name();
      } else {
        make_plain(line, record_);
      }
    } else {
      parse_line(formats_, line, context, record_, hint_);
    }
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
  std::string open_;
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
