#pragma once
/// What can be asked of stored events, and the one-line query language people type.
///
///   dns.rrname:*.example.org src_ip:10.0.0.0/8 -dest_port:53 "failed password" (alert.severity<=2
///   OR type:anomaly)
///
///   word              a word anywhere in the event's values, ASCII case ignored, whole words
///   (`mimi*` for a prefix) "two words"       the same, in that order path:value        a field
///   equals the value, case ignored; `*` and `?` are wildcards; a.b/len and a:b/len match
///                     addresses in that network; path:* means the field is there. `=` is the same
///                     as `:`
///   path:(a, b)       one of them
///   path!=value       not path:value (also true where the field is absent)
///   path~text         the field contains the text
///   path<5 <= > >=    numbers by value, anything else as text (RFC 3339 times sort right)
///   A B, A AND B, A OR B, NOT A, -A, ( )     AND binds tighter than OR
/// A path is the dotted EVE path; an array's elements count each ("any of"). `type`, `site`,
/// `sensor` and `id` are short for event_type, ww.site, ww.sensor and ww.id.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/clock.hpp"
#include "telemetry/ip.hpp"
#include "telemetry/result.hpp"

namespace ww::collector {

enum class Op : std::uint8_t { equal, contains, less, less_equal, greater, greater_equal, exists };

/// A parsed condition tree. Immutable once built; share it.
struct Expr {
  enum class Kind : std::uint8_t { all, any, none_of, condition, word } kind = Kind::all;
  std::vector<std::unique_ptr<Expr>> children;  ///< all, any: each; none_of: one
  Op op = Op::equal;
  std::string path;                  ///< condition: full dotted path
  std::string value;                 ///< lower case for equal, contains and word
  bool wildcard = false;             ///< value holds * or ?
  std::optional<double> number;      ///< value as a number, when it is one
  std::optional<IpNetwork> network;  ///< equal: value is address/prefix
  std::uint32_t leaf = 0;            ///< conditions and words are numbered
};

struct ExprLimits {
  std::size_t max_text = 4096;
  std::uint32_t max_leaves = 64;
  std::uint32_t max_depth = 24;
};

struct QueryError {
  static constexpr std::size_t elsewhere = SIZE_MAX;  ///< not in the text but beside it
  std::size_t offset = 0;                             ///< octets from the start of the text
  std::string what;
};

/// Parses the language above. Empty text is "everything".
[[nodiscard]] Result<std::unique_ptr<Expr>, QueryError> parse_query(std::string_view text,
                                                                    const ExprLimits& limits = {});
/// One condition of the language with the value taken literally (no wildcards): what a form or an
/// API parameter gives. `op` is one of : = != ~ < <= > >= ; join several with a space for "and".
[[nodiscard]] std::string condition_text(std::string_view path, std::string_view op,
                                         std::string_view value);
/// The condition tree as canonical text (for saved searches and tests).
[[nodiscard]] std::string query_text(const Expr& expr);

struct Budget {
  std::chrono::milliseconds time{2000};
  std::uint64_t octets = 2ULL << 30;  ///< decompressed
};

struct SearchQuery {
  Timestamp from{INT64_MIN}, to{INT64_MAX};        ///< [from, to) in event time
  std::string text;                                ///< the query language; empty for everything
  std::vector<std::string> types, sites, sensors;  ///< any of; empty for all
  /// What the caller may see at all; unset for everything, empty for nothing.
  std::optional<std::vector<std::string>> visible_sites;
  bool oldest_first = false;
  std::uint32_t limit = 200;  ///< page size, at most 10'000
  std::string cursor;         ///< SearchResult::next of the page before
  Budget budget;
};

struct StoredEvent {
  Timestamp time;  ///< the event's time, or the time of arrival where the event's was unusable
  std::string id;
  std::string json;
};

struct Work {
  std::uint64_t events = 0, blocks = 0, blocks_skipped = 0, octets = 0;
  std::chrono::microseconds took{0};
};

struct SearchResult {
  std::vector<StoredEvent> events;  ///< newest first; equal times by id, descending
  std::string next;                 ///< cursor of the next page; empty at the end
  /// The budget ended before the page was full, or a file could not be read. `next` goes on where
  /// it stopped.
  bool partial = false;
  Timestamp searched_to;  ///< everything at or after this time was looked at
  std::vector<std::string> problems;
  Work work;
};

struct CountQuery {
  SearchQuery search;             ///< limit and cursor are not used
  std::chrono::seconds step{60};  ///< multiple of a minute
  enum class By : std::uint8_t { none, type, site, sensor } by = By::none;
};
struct CountRow {
  Timestamp start;
  std::string key;  ///< empty for By::none; "site/sensor" for By::sensor
  std::uint64_t events = 0, octets = 0;
};
struct CountResult {
  std::vector<CountRow> rows;  ///< by time, then key; steps without events are left out
  bool partial = false;
  bool from_rollups = false;  ///< answered from minute roll-ups (edges rounded to whole minutes)
  std::vector<std::string> problems;
  Work work;
};

struct TopQuery {
  SearchQuery search;
  std::string path;
  std::uint32_t limit = 10;
};
struct TopResult {
  struct Row {
    std::string value;
    std::uint64_t events = 0;
  };
  std::vector<Row> rows;     ///< most frequent first, ties by value
  std::uint64_t events = 0;  ///< values counted (an array's elements each)
  std::uint64_t distinct = 0;
  bool partial = false;  ///< budget or table bound reached: counts are lower bounds
  std::vector<std::string> problems;
  Work work;
};

}  // namespace ww::collector
