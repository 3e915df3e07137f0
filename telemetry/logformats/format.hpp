#pragma once
/// Log formats and the parser that drives them. A format is one file here that registers itself, or
/// one declared YAML file (declared.hpp). Formats are stateless and shared; what a source remembers
/// is in SourceParser.
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/logformats/record.hpp"
#include "telemetry/logformats/zone.hpp"
#include "telemetry/result.hpp"

namespace ww::logs {

class Format;
class Formats;

/// What a source remembers between its lines, for formats of which one line does not say all.
struct SourceMemory {
  static constexpr std::size_t max_header_octets = 8192;
  /// Lines that name the columns of those that follow (w3c.cpp), as they came, parted by '\n'.
  std::string header;
  /// What the inside of a container's line (CRI, Docker) is read by, and what fitted it last.
  const Formats* formats = nullptr;
  const Format* inner = nullptr;
};

/// What a format may know beyond the line.
struct Context {
  /// Times without a year take the year nearest to this: the file's modification time, or now.
  Timestamp reference;
  /// Times without a zone are in this one.
  const Zone* zone = &Zone::utc();
  SourceMemory* memory = nullptr;  ///< absent: the line stands for itself
};

/// How a physical line belongs to a record.
struct Membership {
  enum class Kind : std::uint8_t {
    alone,      ///< the line is a record
    starts,     ///< the line starts a record that following lines may continue
    continues,  ///< the line continues the record that is open, if one is
    member      ///< the line is one of the records that share `key` (auditd's serial number)
  };
  Kind kind = Kind::alone;
  std::uint64_t key = 0;
  bool last = false;  ///< nothing more comes for `key`
};

class Format {
 public:
  virtual ~Format() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual std::string_view summary() const = 0;
  /// Detection asks formats in this order, lowest first: the more a format demands of a line, the
  /// lower.
  [[nodiscard]] virtual int order() const = 0;
  /// A line that fits, for documentation; a test checks that detection gives this format for it.
  [[nodiscard]] virtual std::string_view example() const = 0;

  /// Fills `out` (cleared by the caller).
  /// @param line  untrusted, without its line end; borrowed until the record is written
  /// @return      false when the line is not of this format (out may be dirty)
  [[nodiscard]] virtual bool parse(std::string_view line, const Context& context,
                                   Record& out) const = 0;

  /// Whether a line can begin so; detection asks no further when not.
  [[nodiscard]] virtual bool may_start(unsigned char first) const {
    (void)first;
    return true;
  }
  /// Whether detection may choose this format for a line that fits it: a layout that says little
  /// asks for more before it is believed. A source that has the format is not asked again.
  [[nodiscard]] virtual bool plausible(std::string_view line) const {
    (void)line;
    return true;
  }
  /// True for a layout of last resort: also where it is held, those before it are asked first, as a
  /// source whose first line said little may say more.
  [[nodiscard]] virtual bool yields() const { return false; }
  /// Programs whose syslog messages this format reads too.
  [[nodiscard]] virtual std::vector<std::string> programs() const { return {}; }

  /// True when membership() ever joins lines.
  [[nodiscard]] virtual bool joins() const { return false; }
  /// True when the records of one event come between those of others (Membership::Kind::member).
  [[nodiscard]] virtual bool groups() const { return false; }
  [[nodiscard]] virtual Membership membership(std::string_view line) const {
    (void)line;
    return {};
  }
};

/// The formats that are compiled in and the declared ones that ship, by detection order. Built on
/// first use.
class Formats {
 public:
  /// Compiled-in and shipped formats.
  [[nodiscard]] static const Formats& builtin();
  /// No format at all: every line is kept as plain text.
  [[nodiscard]] static const Formats& none();
  Formats();

  /// Adds a declared format (a file's text); it goes before formats of the same order and replaces
  /// one of its name.
  [[nodiscard]] Result<void, Problem> add_declared(std::string_view yaml, const std::string& where);
  [[nodiscard]] Result<void, Problem> add_declared_file(const std::string& path);
  [[nodiscard]] const Format* find(std::string_view name) const;
  [[nodiscard]] const std::vector<std::shared_ptr<const Format>>& all() const { return formats_; }
  /// Those that a line can be of by its first octet, in the order of detection.
  [[nodiscard]] const std::vector<const Format*>& candidates(std::string_view line) const {
    return by_first_[line.empty() ? 0U : static_cast<unsigned char>(line.front())];
  }
  [[nodiscard]] const std::vector<const Format*>& grouping() const { return grouping_; }
  /// The format that reads the syslog messages of a program, or null.
  [[nodiscard]] const Format* of_program(std::string_view program) const;

 private:
  struct Empty {};
  explicit Formats(Empty) {}
  void add(std::shared_ptr<const Format> format);
  void index();
  std::vector<std::shared_ptr<const Format>> formats_;
  std::array<std::vector<const Format*>, 256> by_first_;
  std::vector<const Format*> grouping_;
  std::vector<std::pair<std::string, const Format*>> by_program_;
};

/// Registers a compiled-in format from a static initialiser.
struct FormatRegistration {
  explicit FormatRegistration(std::shared_ptr<const Format> format);
};

/// Turns the lines of one source into records: finds the format (given, or guessed and remembered),
/// joins the lines that belong together, keeps what fits no format as a plain record. A line that
/// another format knows, time included, never continues a record of a guessed one. Threads: one at
/// a time.
class SourceParser {
 public:
  struct Options {
    std::string format = "auto";                   ///< a name, or "auto"
    std::string product, service, category, host;  ///< override what the format says
    Zone zone = Zone::utc();
    /// Multi-line: a line that this expression matches starts a record, all others continue it. ""
    /// = the format decides.
    std::string multiline_start;
    std::size_t max_record_octets = 64 << 10;  ///< joined records are closed at this size
    std::size_t max_pending = 64;              ///< open records of one source (auditd serials)
  };
  /// Called for every finished record with its original octets (several lines joined by '\n').
  using Emit = std::function<void(Record& record, std::string_view line)>;

  [[nodiscard]] static Result<std::unique_ptr<SourceParser>, Problem> make(Options options,
                                                                           const Formats& formats);
  virtual ~SourceParser() = default;

  /// Takes one line without its line end. May emit none, one or several records.
  virtual void feed(std::string_view line, Timestamp reference, const Emit& emit) = 0;
  /// Closes what is open: at end of file, rotation, or when nothing came for a while.
  virtual void flush(Timestamp reference, const Emit& emit) = 0;
  [[nodiscard]] virtual bool pending() const = 0;
  /// The format that was found, the open lines and the header as octets, to survive a restart, and
  /// back. Bounded by max_record_octets, max_pending and max_header_octets.
  [[nodiscard]] virtual std::string save() const = 0;
  virtual void restore(std::string_view saved) = 0;
};

/// One line, no joining, no memory: for inputs whose messages come whole (syslog datagrams). `hint`
/// is the format that fitted last and is tried first; it is updated.
void parse_line(const Formats& formats, std::string_view line, const Context& context, Record& out,
                const Format*& hint);

/// Reads the record's message again as a line of any format (a container's line carries what the
/// program wrote). What the outside said of time and host stays, its fields too.
/// @return true when a format fitted
bool read_inside(const Context& context, Record& record);

}  // namespace ww::logs
