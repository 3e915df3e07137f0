#include "collector/store/searcher.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <queue>
#include <set>
#include <unordered_map>

#include "collector/store/value_counts.hpp"
#include "collector/store/words.hpp"
#include "telemetry/uuid.hpp"

namespace ww::collector {
namespace {

using std::chrono::steady_clock;
constexpr ValueCounts::Bounds top_bounds{};  // of the values counted by top()
constexpr std::size_t max_problems = 8;
constexpr std::string_view before_all = "";  // cursor ids: below and above every id
constexpr std::string_view after_all = "~";

/// What a query says of streams, blocks and time, apart from order and paging.
class Scope {
 public:
  Scope(const SearchQuery& q, std::unique_ptr<Expr> expr) : q_(q), matcher_(std::move(expr)) {}

  [[nodiscard]] const Matcher& matcher() const { return matcher_; }
  [[nodiscard]] bool allowed(const StreamName& s) const {
    const auto in = [](const std::vector<std::string>& list, const std::string& v) {
      return list.empty() || std::find(list.begin(), list.end(), v) != list.end();
    };
    if (!in(q_.types, s.type) || !in(q_.sites, s.site) || !in(q_.sensors, s.sensor)) return false;
    return !q_.visible_sites || std::find(q_.visible_sites->begin(), q_.visible_sites->end(),
                                          s.site) != q_.visible_sites->end();
  }

 private:
  const SearchQuery& q_;
  Matcher matcher_;
};

/// One file in one search: which of its streams are wanted at all.
struct OpenFile {
  std::shared_ptr<FileReader> reader;
  std::unordered_map<StreamId, bool> allowed;
};

/// Verdicts on the streams of one block.
using Verdicts = std::unordered_map<StreamId, Maybe>;

class Run {
 public:
  Run(const Scope& scope, const Budget& budget, Work& work, std::vector<std::string>& problems,
      const std::function<void(const sql::Error&)>& damaged)
      : scope_(scope), budget_(budget), work_(work), problems_(problems), damaged_(damaged) {}

  [[nodiscard]] bool spent() const {
    return work_.octets >= budget_.octets || steady_clock::now() - start_ >= budget_.time;
  }
  /// Far beyond the budget. A small one may not even cover the blocks that overlap one moment.
  [[nodiscard]] bool overspent() const {
    constexpr std::uint64_t least = 256ULL << 20;
    return work_.octets >= std::max(least, budget_.octets) ||
           steady_clock::now() - start_ >= budget_.time * 10;
  }
  void finish() {
    work_.took =
        std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - start_);
  }
  [[nodiscard]] bool broken() const { return broken_; }

  std::optional<OpenFile> open(ReaderPool& pool, const std::string& path) {
    auto r = FileReader::open(pool, path);
    if (!r) {
      report(r.error());
      return {};
    }
    OpenFile f{std::move(*r), {}};
    for (const auto& [id, name] : f.reader->streams()) f.allowed[id] = scope_.allowed(name);
    return f;
  }
  void report(const sql::Error& error) {
    // A file that retention dropped between the listing and the opening is no problem.
    if ((error.code & 0xff) == 14 && error.text.find("unable to open") != std::string::npos) return;
    broken_ = true;
    if (problems_.size() < max_problems) problems_.push_back(error.problem().text());
    damaged_(error);
  }
  void check(FileReader& r) {
    if (r.error()) report(*r.error());
  }

  /// The block's streams that may match; empty when none does.
  Verdicts judge(OpenFile& f, const BlockMeta& b) {
    Verdicts out;
    bool any = false;
    const auto judge_with = [&](std::uint64_t leaves) {
      out.clear();
      any = false;
      for (const auto& s : b.streams) {
        const auto it = f.allowed.find(s.stream);
        if (it == f.allowed.end() || !it->second) continue;
        const auto verdict = scope_.matcher().on_stream(f.reader->streams().at(s.stream), leaves);
        if (verdict == Maybe::no) continue;
        out[s.stream] = verdict;
        any = any || verdict == Maybe::maybe;
      }
    };
    judge_with(~std::uint64_t{0});
    // The filter is read only when the streams alone do not decide.
    if (any && scope_.matcher().uses_filter())
      judge_with(scope_.matcher().filter_leaves(f.reader->filter(b.id)));
    return out;
  }

  /// Calls each(event) for the matching events of a block in [from, to).
  template <class F>
  bool block(OpenFile& f, const BlockMeta& b, const Verdicts& verdicts, Timestamp from,
             Timestamp to, F each) {
    auto candidates = may_match(f, b, verdicts);
    if (candidates && candidates->none()) {
      ++work_.blocks_skipped;
      return true;
    }
    const auto body = f.reader->body(b.id);
    if (!blocks_.read(body, refs_)) {
      check(*f.reader);
      if (!f.reader->error()) report({11, "a block of events is damaged", f.reader->path()});
      return false;
    }
    ++work_.blocks;
    work_.octets += blocks_.octets();
    if (candidates && refs_.size() != candidates->size()) candidates.reset();
    for (std::size_t i = 0; i < refs_.size(); ++i) {
      const auto& e = refs_[i];
      if (e.time < from || !(e.time < to) || (candidates && !(*candidates)[i])) continue;
      const auto v = verdicts.find(e.stream);
      if (v == verdicts.end()) continue;
      ++work_.events;
      if (v->second == Maybe::yes || scope_.matcher().on_event(e.json, scanner_)) each(e);
    }
    return true;
  }

  template <class F>
  void tail(OpenFile& f, Timestamp from, Timestamp to, F each) {
    for (const auto& t : f.reader->tail(from, to)) {
      const auto it = f.allowed.find(t.stream);
      if (it == f.allowed.end() || !it->second) continue;
      const auto verdict =
          scope_.matcher().on_stream(f.reader->streams().at(t.stream), ~std::uint64_t{0});
      if (verdict == Maybe::no) continue;
      ++work_.events;
      work_.octets += t.json.size();
      if (verdict == Maybe::yes || scope_.matcher().on_event(t.json, scanner_))
        each(EventRef{t.json, t.time, t.id_time, t.stream});
    }
    check(*f.reader);
  }

  EventScanner& scanner() { return scanner_; }

 private:
  /// The events that the block's columns do not rule out, where columns can tell: not when a stream
  /// is wanted as a whole, nor for a block of before there were columns.
  std::optional<EventBits> may_match(OpenFile& f, const BlockMeta& b, const Verdicts& verdicts) {
    if (!scope_.matcher().uses_columns() ||
        std::any_of(verdicts.begin(), verdicts.end(),
                    [](const auto& v) { return v.second == Maybe::yes; }))
      return {};
    const auto packed = f.reader->facet(columns_path, b.id);
    if (!packed || !blocks_.read_columns(*packed, b.events, columns_)) return {};
    return scope_.matcher().on_columns(columns_);
  }

  const Scope& scope_;
  const Budget& budget_;
  Work& work_;
  std::vector<std::string>& problems_;
  const std::function<void(const sql::Error&)>& damaged_;
  steady_clock::time_point start_ = steady_clock::now();
  BlockReader blocks_;
  EventScanner scanner_;
  Columns columns_;
  std::vector<EventRef> refs_;
  bool broken_ = false;
};

struct IdSink {
  std::string id;
  void scalar(ScalarKind kind, std::string_view value, std::string_view path) {
    if (kind == ScalarKind::string && path == "ww.id") id.assign(value);
  }
};
std::string event_id(std::string_view json, EventScanner& scanner) {
  IdSink sink;
  static_cast<void>(scanner.scan(json, sink));
  return std::move(sink.id);
}

struct CursorAt {
  Timestamp time;
  std::string id;
};
std::optional<CursorAt> parse_cursor(std::string_view text) {
  CursorAt c;
  const auto* begin = text.data();
  const auto* end = begin + text.size();
  const auto r = std::from_chars(begin, end, c.time.us);
  if (r.ec != std::errc() || r.ptr == end || *r.ptr != '.') return {};
  c.id.assign(r.ptr + 1, end);
  return c;
}
std::string cursor_text(Timestamp t, std::string_view id) {
  return std::to_string(t.us) + "." + std::string(id);
}

Result<std::unique_ptr<Expr>, QueryError> parse(const SearchQuery& q) {
  return parse_query(q.text);
}

/// Newest first needs larger keys first, oldest first smaller ones: both are "larger rank first".
struct Direction {
  bool oldest_first;
  [[nodiscard]] std::int64_t rank(Timestamp t) const { return oldest_first ? ~t.us : t.us; }
  [[nodiscard]] bool before(Timestamp at, std::string_view aid, Timestamp bt,
                            std::string_view bid) const {
    if (at != bt) return oldest_first ? at < bt : bt < at;
    return oldest_first ? aid < bid : bid < aid;
  }
};

struct Unread {
  std::int64_t rank = 0;  // of the first event in it, in search order
  std::size_t file = 0;
  bool is_file = false;
  BlockMeta block;
  bool operator<(const Unread& o) const { return rank < o.rank; }
};

class PageSearch {
 public:
  PageSearch(const SearchQuery& q, ReaderPool& pool, Run& run, SearchResult& out)
      : q_(q),
        pool_(pool),
        run_(run),
        out_(out),
        dir_{q.oldest_first},
        limit_(std::clamp<std::uint32_t>(q.limit, 1, 10'000)),
        from_(q.from),
        to_(q.to),
        kept_([this](const StoredEvent& a, const StoredEvent& b) {
          return dir_.before(a.time, a.id, b.time, b.id);
        }) {}

  void resume(CursorAt at) {
    if (q_.oldest_first)
      from_ = std::max(from_, at.time);
    else if (at.time.us < INT64_MAX)
      to_ = std::min(to_, Timestamp{at.time.us + 1});
    after_ = std::move(at);
  }

  void run(std::vector<FileSummary>& files) {
    files_.resize(files.size());
    blocks_left_.resize(files.size());
    for (std::size_t i = 0; i < files.size(); ++i) {
      const auto& f = files[i];
      if (f.t_max < from_ || !(f.t_min < to_)) continue;
      unread_.push({first_rank(f.t_min, f.t_max), i, true, {}});
    }
    const std::int64_t start = after_ ? dir_.rank(after_->time) : INT64_MAX;
    while (!unread_.empty()) {
      if (full() && rank_of_worst() > unread_.top().rank) break;
      // A page moves on by at least a moment, or the next one would begin where this one did. Only
      // if more blocks reach up to one moment than can be read far beyond the budget is the search
      // given up.
      if (read_any_ && run_.spent()) {
        if (unread_.top().rank < start) break;
        if (run_.overspent()) {
          gave_up_ = true;
          break;
        }
      }
      auto next = unread_.top();
      unread_.pop();
      if (next.is_file) {
        open(files[next.file], next.file);
      } else {
        read(next);
        --blocks_left_[next.file];
      }
      if (blocks_left_[next.file] == 0) files_[next.file] = {};
    }
    finish();
  }

 private:
  [[nodiscard]] bool full() const {
    return kept_.size() > limit_;
  }  // one more shows that there is a next page
  /// Rank of the first moment that something with these bounds can hold within the range.
  [[nodiscard]] std::int64_t first_rank(Timestamp t_min, Timestamp t_max) const {
    return dir_.rank(q_.oldest_first ? std::max(t_min, from_)
                                     : std::min(t_max, Timestamp{to_.us - 1}));
  }
  [[nodiscard]] std::int64_t rank_of_worst() const {
    return dir_.rank(std::prev(kept_.end())->time);
  }

  void keep(const EventRef& e) {
    if (full() && dir_.rank(e.time) < rank_of_worst()) return;
    auto id = event_id(e.json, run_.scanner());
    if (after_ && !dir_.before(after_->time, after_->id, e.time, id)) return;
    kept_.insert(StoredEvent{e.time, std::move(id), std::string(e.json)});
    if (kept_.size() > limit_ + 1) kept_.erase(std::prev(kept_.end()));
  }

  void open(const FileSummary& summary, std::size_t index) {
    auto f = run_.open(pool_, summary.path);
    if (!f) return;
    if (std::none_of(f->allowed.begin(), f->allowed.end(), [](const auto& a) { return a.second; }))
      return;
    files_[index] = std::move(*f);
    auto& file = files_[index];
    run_.tail(file, from_, to_, [&](const EventRef& e) { keep(e); });
    for (auto& b : file.reader->blocks(from_, to_)) {
      const auto first =
          q_.oldest_first ? std::max(b.t_min, from_) : std::min(b.t_max, Timestamp{to_.us - 1});
      const auto rank = dir_.rank(first);
      unread_.push({rank, index, false, std::move(b)});
      ++blocks_left_[index];
    }
    run_.check(*file.reader);
  }

  void read(const Unread& u) {
    read_any_ = true;
    auto& file = files_[u.file];
    const auto verdicts = run_.judge(file, u.block);
    if (verdicts.empty()) {
      ++out_.work.blocks_skipped;
      return;
    }
    run_.block(file, u.block, verdicts, from_, to_, [&](const EventRef& e) { keep(e); });
  }

  void finish() {
    const bool stopped = !unread_.empty() && !(full() && rank_of_worst() > unread_.top().rank);
    out_.partial = stopped || run_.broken();
    auto it = kept_.begin();
    const std::int64_t edge = stopped ? unread_.top().rank : INT64_MIN;
    for (; it != kept_.end() && out_.events.size() < limit_; ++it) {
      // Past the edge of what was read the order is not known yet: the next page gives those.
      if (stopped && !gave_up_ && dir_.rank(it->time) <= edge) break;
      out_.events.push_back(*it);
    }
    if (gave_up_) {
      out_.problems.emplace_back(
          "too many events share one moment to order them; narrow the search");
      out_.searched_to = Timestamp{q_.oldest_first ? ~edge : edge};
      return;
    }
    if (stopped && out_.events.size() < limit_) {
      const auto at = Timestamp{q_.oldest_first ? ~edge : edge};
      out_.next = cursor_text(at, q_.oldest_first ? before_all : after_all);
      out_.searched_to = at;
      return;
    }
    out_.searched_to = q_.oldest_first ? q_.to : q_.from;
    if (it == kept_.end() || out_.events.empty()) return;
    out_.next = cursor_text(out_.events.back().time, out_.events.back().id);
    out_.searched_to = out_.events.back().time;
  }

  const SearchQuery& q_;
  ReaderPool& pool_;
  Run& run_;
  SearchResult& out_;
  Direction dir_;
  std::size_t limit_;
  Timestamp from_, to_;
  std::optional<CursorAt> after_;
  std::vector<OpenFile> files_;
  std::priority_queue<Unread> unread_;
  // Several, because a foreign source may give two events one id and one time.
  std::multiset<StoredEvent, std::function<bool(const StoredEvent&, const StoredEvent&)>> kept_;
  std::vector<std::size_t>
      blocks_left_;  // by file; at none its reader is closed, so few are open at a time
  bool read_any_ = false, gave_up_ = false;
};

}  // namespace

Result<SearchResult, QueryError> Searcher::search(const SearchQuery& q,
                                                  std::vector<FileSummary> files) {
  auto expr = parse(q);
  if (!expr) return fail(expr.error());
  SearchResult out;
  const Scope scope(q, std::move(*expr));
  Run run(scope, q.budget, out.work, out.problems, damaged_);
  PageSearch page(q, pool_, run, out);
  if (!q.cursor.empty()) {
    auto at = parse_cursor(q.cursor);
    if (!at)
      return fail(QueryError{QueryError::elsewhere,
                             "cursor: not of an earlier page; leave it out to begin"});
    page.resume(std::move(*at));
  }
  page.run(files);
  run.finish();
  return out;
}

Result<CountResult, QueryError> Searcher::count(const CountQuery& q,
                                                const std::vector<FileSummary>& files) {
  auto expr = parse(q.search);
  if (!expr) return fail(expr.error());
  const std::int64_t step = q.step.count();
  if (step <= 0 || step % 60 != 0)
    return fail(QueryError{QueryError::elsewhere, "the step must be a whole number of minutes"});
  CountResult out;
  const Scope scope(q.search, std::move(*expr));
  Run run(scope, q.search.budget, out.work, out.problems, damaged_);
  std::map<std::pair<std::int64_t, std::string>, CountRow> rows;
  const auto add = [&](Timestamp t, const StreamName& s, std::uint64_t events,
                       std::uint64_t octets) {
    const auto second = t.seconds();
    auto start = second - second % step;
    if (second % step < 0) start -= step;
    std::string key;
    switch (q.by) {
      case CountQuery::By::none:
        break;
      case CountQuery::By::type:
        key = s.type;
        break;
      case CountQuery::By::site:
        key = s.site;
        break;
      case CountQuery::By::sensor:
        key = s.site + "/" + s.sensor;
        break;
    }
    auto& row = rows[{start, key}];
    row.start = {start * 1'000'000};
    row.key = key;
    row.events += events;
    row.octets += octets;
  };
  const auto floor_minute = [](Timestamp t) {
    const auto s = t.seconds();
    return s / 60 - (s % 60 < 0 ? 1 : 0);
  };
  // Whole minutes: the edges are widened to them when roll-ups answer.
  const auto from_minute =
      q.search.from.us == INT64_MIN ? INT64_MIN / 2 : floor_minute(q.search.from);
  const auto to_minute =
      q.search.to.us == INT64_MAX ? INT64_MAX / 2 : floor_minute(Timestamp{q.search.to.us - 1}) + 1;
  out.from_rollups = true;
  std::set<std::string> undecided;
  for (const auto& summary : files) {
    if (summary.t_max < q.search.from || !(summary.t_min < q.search.to)) {
      // Widened edges: the minutes of this file may still count.
      if (floor_minute(summary.t_max) < from_minute || floor_minute(summary.t_min) >= to_minute)
        continue;
    }
    if (run.spent()) {
      out.partial = true;
      break;
    }
    auto f = run.open(pool_, summary.path);
    if (!f) continue;
    std::unordered_map<StreamId, Maybe> verdict;
    bool maybe = false;
    for (const auto& [id, name] : f->reader->streams()) {
      if (!f->allowed[id]) continue;
      const auto v = scope.matcher().on_stream(name, ~std::uint64_t{0});
      if (v != Maybe::no) verdict[id] = v;
      maybe = maybe || v == Maybe::maybe;
    }
    if (verdict.empty()) continue;
    if (!maybe) {
      for (const auto& m : f->reader->minutes(from_minute, to_minute))
        if (verdict.contains(m.stream))
          add({m.minute * 60 * 1'000'000}, f->reader->streams().at(m.stream), m.events, m.octets);
      run.check(*f->reader);
      continue;
    }
    out.from_rollups = false;
    const auto each = [&](const EventRef& e) {
      add(e.time, f->reader->streams().at(e.stream), 1, e.json.size());
    };
    run.tail(*f, q.search.from, q.search.to, each);
    auto blocks = f->reader->blocks(q.search.from, q.search.to);
    std::sort(blocks.begin(), blocks.end(),
              [](const auto& a, const auto& b) { return b.t_max < a.t_max; });
    for (const auto& b : blocks) {
      if (run.spent()) {
        out.partial = true;
        break;
      }
      const auto verdicts = run.judge(*f, b);
      if (verdicts.empty())
        ++out.work.blocks_skipped;
      else
        run.block(*f, b, verdicts, q.search.from, q.search.to, each);
    }
  }
  out.partial = out.partial || run.broken();
  for (auto& [k, row] : rows) out.rows.push_back(std::move(row));
  run.finish();
  return out;
}

namespace {

struct TopSink {
  std::string_view path;
  std::vector<std::string>& values;
  void scalar(ScalarKind kind, std::string_view value, std::string_view at) {
    if (kind == ScalarKind::null || at != path) return;
    if (std::find(values.begin(), values.end(), value) == values.end()) values.emplace_back(value);
  }
};

/// Counts the values of one field: from the rows of whole runs where one answers, else of blocks,
/// else from the events. Newest blocks first, so that a budget that ends leaves out the oldest.
class TopSearch {
 public:
  TopSearch(const TopQuery& q, std::string path, const Scope& scope, Run& run, TopResult& out)
      : from_(q.search.from),
        to_(q.search.to),
        path_(std::move(path)),
        scope_(scope),
        run_(run),
        out_(out),
        counts_(top_bounds) {}

  void file(OpenFile& f) {
    verdicts_.clear();
    for (const auto& [id, name] : f.reader->streams())
      verdicts_[id] =
          f.allowed[id] ? scope_.matcher().on_stream(name, ~std::uint64_t{0}) : Maybe::no;
    run_.tail(f, from_, to_, [&](const EventRef& e) { event(e); });
    range(f, run_blocks.size(), 0, UINT32_MAX);
    run_.check(*f.reader);
  }

  [[nodiscard]] bool stop() {
    if (run_.spent()) out_.partial = true;
    return run_.spent();
  }

  void finish(std::uint32_t limit) {
    out_.distinct = counts_.size();
    for (const auto& r : counts_.top(std::clamp<std::uint32_t>(limit, 1, 1'000)))
      out_.rows.push_back({std::string(r.value), r.count});
  }

 private:
  /// The blocks first..last, by runs of the levels below `levels`.
  void range(OpenFile& f, std::size_t levels, std::uint32_t first, std::uint32_t last) {
    if (levels == 0) {
      const auto blocks = f.reader->blocks(from_, to_, first, last);
      for (auto b = blocks.rbegin(); b != blocks.rend() && !stop(); ++b) block(f, *b);
      return;
    }
    auto end = std::uint64_t{last} + 1;
    const auto between = [&](std::uint64_t begin) {
      if (begin < end)
        range(f, levels - 1, static_cast<std::uint32_t>(begin),
              static_cast<std::uint32_t>(end - 1));
    };
    const auto runs = f.reader->runs(levels - 1, from_, to_, first, last);
    for (auto r = runs.rbegin(); r != runs.rend() && !stop(); ++r) {
      between(std::uint64_t{r->last()} + 1);
      if (!whole_run(f, *r)) range(f, levels - 1, r->first, r->last());
      end = r->first;
    }
    between(first);
  }

  /// @return false when its blocks must be asked one by one
  bool whole_run(OpenFile& f, const RunMeta& r) {
    std::size_t wanted = 0;
    for (const auto id : r.streams) {
      const auto v = verdict(id);
      if (v == Maybe::maybe) return false;
      wanted += v == Maybe::yes ? 1 : 0;
    }
    if (wanted == 0) {
      out_.work.blocks_skipped += r.blocks;
      return true;
    }
    const bool some = wanted < r.streams.size();
    const auto row = f.reader->run_facet(path_, r, some);
    if (!row || !facet_of_run_.read(row->counts)) return false;
    if (some &&
        !facet_of_run_.keep(row->by_stream, [&](StreamId id) { return verdict(id) == Maybe::yes; }))
      return false;
    add(facet_of_run_.values());
    const auto& left_out = facet_of_run_.left_out();
    out_.work.blocks_skipped += r.blocks - std::min<std::size_t>(left_out.size(), r.blocks);
    for (auto id = left_out.rbegin(); id != left_out.rend() && !stop(); ++id)
      for (const auto& b : f.reader->blocks(from_, to_, *id, *id)) block(f, b);
    return true;
  }

  void block(OpenFile& f, const BlockMeta& b) {
    const auto verdicts = run_.judge(f, b);
    if (verdicts.empty()) {
      ++out_.work.blocks_skipped;
      return;
    }
    const bool whole = !(b.t_min < from_) && b.t_max < to_;
    const bool decided = std::all_of(verdicts.begin(), verdicts.end(),
                                     [](const auto& v) { return v.second == Maybe::yes; });
    if (whole && decided) {
      const auto row = f.reader->facet(path_, b.id);
      facet_.clear();
      if (row && read_facet(*row, facet_)) {
        if (verdicts.size() < b.streams.size())
          std::erase_if(facet_, [&](const auto& c) { return !verdicts.contains(c.stream); });
        add(facet_);
        ++out_.work.blocks_skipped;
        return;
      }
    }
    run_.block(f, b, verdicts, from_, to_, [&](const EventRef& e) { event(e); });
  }

  void event(const EventRef& e) {
    values_.clear();
    TopSink sink{path_, values_};
    static_cast<void>(run_.scanner().scan(e.json, sink));
    for (const auto& v : values_)
      if (counts_.add(v, 1) == ValueCounts::no_room) out_.partial = true;
    out_.events += values_.size();
  }

  void add(const std::vector<FacetCount>& facet) {
    for (const auto& c : facet) out_.events += c.events;
    counts_.add_all(
        facet, [](const FacetCount& c) { return c.value; },
        [](const FacetCount& c) { return c.events; },
        [&](const FacetCount&, std::uint32_t number) {
          if (number == ValueCounts::no_room) out_.partial = true;
        });
  }

  [[nodiscard]] Maybe verdict(StreamId id) const {
    const auto it = verdicts_.find(id);
    return it == verdicts_.end() ? Maybe::no : it->second;
  }

  Timestamp from_, to_;
  std::string path_;
  const Scope& scope_;
  Run& run_;
  TopResult& out_;
  ValueCounts counts_;
  Verdicts verdicts_;  // on the streams of the file, without what the filter of a block says
  RunFacet facet_of_run_;
  std::vector<FacetCount> facet_;
  std::vector<std::string> values_;
};

}  // namespace

Result<TopResult, QueryError> Searcher::top(const TopQuery& q,
                                            const std::vector<FileSummary>& files) {
  auto expr = parse(q.search);
  if (!expr) return fail(expr.error());
  if (q.path.empty()) return fail(QueryError{QueryError::elsewhere, "a field is needed"});
  TopResult out;
  const std::string path = q.path == "type"     ? "event_type"
                           : q.path == "site"   ? "ww.site"
                           : q.path == "sensor" ? "ww.sensor"
                                                : q.path;
  const Scope scope(q.search, std::move(*expr));
  Run run(scope, q.search.budget, out.work, out.problems, damaged_);
  TopSearch top(q, path, scope, run, out);
  auto ordered = files;
  std::sort(ordered.begin(), ordered.end(),
            [](const auto& a, const auto& b) { return b.t_max < a.t_max; });
  for (const auto& summary : ordered) {
    if (summary.t_max < q.search.from || !(summary.t_min < q.search.to)) continue;
    if (top.stop()) break;
    auto f = run.open(pool_, summary.path);
    if (!f) continue;
    if (std::none_of(f->allowed.begin(), f->allowed.end(), [](const auto& a) { return a.second; }))
      continue;
    top.file(*f);
  }
  out.partial = out.partial || run.broken();
  top.finish(q.limit);
  run.finish();
  return out;
}

std::optional<StoredEvent> Searcher::event(std::string_view id,
                                           const std::optional<std::vector<std::string>>& visible,
                                           std::vector<FileSummary> files) {
  constexpr std::size_t longest_id = 128;
  if (id.empty() || id.size() > longest_id) return {};
  SearchQuery q;
  q.text = condition_text("ww.id", ":", id);
  q.visible_sites = visible;
  auto expr = parse(q);
  if (!expr) return {};
  const Scope scope(q, std::move(*expr));
  Work work;
  std::vector<std::string> problems;
  const Budget budget{std::chrono::seconds(10), 4ULL << 30};
  Run run(scope, budget, work, problems, damaged_);
  std::optional<std::uint64_t> id_time;
  if (is_uuid(id) && id[14] == '7') {
    std::uint64_t v = 0;
    const std::string hex = std::string(id.substr(0, 8)) + std::string(id.substr(9, 4));
    std::from_chars(hex.data(), hex.data() + hex.size(), v, 16);
    id_time = v;
  }
  std::optional<StoredEvent> found;
  const auto each = [&](const EventRef& e) {
    if (!found) found = StoredEvent{e.time, std::string(id), std::string(e.json)};
  };
  // Most look-ups are of recent events.
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return b.key.day < a.key.day; });
  for (const auto& summary : files) {
    auto f = run.open(pool_, summary.path);
    if (!f) continue;
    run.tail(*f, {INT64_MIN}, {INT64_MAX}, each);
    if (found) return found;
    auto blocks = f->reader->blocks({INT64_MIN}, {INT64_MAX});
    std::reverse(blocks.begin(), blocks.end());
    for (const auto& b : blocks) {
      if (id_time && (*id_time < b.id_min || *id_time > b.id_max)) continue;
      const auto verdicts = run.judge(*f, b);
      if (verdicts.empty()) continue;
      run.block(*f, b, verdicts, {INT64_MIN}, {INT64_MAX}, each);
      if (found) return found;
      if (run.spent()) return {};
    }
  }
  return {};
}

void Searcher::scan(Timestamp from, Timestamp to, const std::vector<std::string>& types,
                    const std::function<bool(std::span<const StoredEvent>)>& each,
                    std::vector<FileSummary> files) {
  SearchQuery q;
  q.types = types;
  auto expr = parse(q);
  if (!expr) return;
  const Scope scope(q, std::move(*expr));
  Work work;
  std::vector<std::string> problems;
  const Budget budget{std::chrono::hours(24 * 365), UINT64_MAX};
  Run run(scope, budget, work, problems, damaged_);
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.key.day < b.key.day; });
  std::vector<StoredEvent> batch;
  const auto add = [&](const EventRef& e) {
    batch.push_back({e.time, event_id(e.json, run.scanner()), std::string(e.json)});
  };
  // The files of one day are merged by block time, so that what belongs together stays near in
  // order.
  for (std::size_t i = 0; i < files.size();) {
    std::vector<OpenFile> open;
    std::vector<std::pair<std::size_t, BlockMeta>> blocks;
    const auto day = files[i].key.day;
    for (; i < files.size() && files[i].key.day == day; ++i) {
      if (files[i].t_max < from || !(files[i].t_min < to)) continue;
      auto f = run.open(pool_, files[i].path);
      if (!f) continue;
      for (auto& b : f->reader->blocks(from, to)) blocks.emplace_back(open.size(), std::move(b));
      open.push_back(std::move(*f));
    }
    std::sort(blocks.begin(), blocks.end(),
              [](const auto& a, const auto& b) { return a.second.t_min < b.second.t_min; });
    for (const auto& [index, meta] : blocks) {
      const auto verdicts = run.judge(open[index], meta);
      if (verdicts.empty()) continue;
      batch.clear();
      run.block(open[index], meta, verdicts, from, to, add);
      if (!batch.empty() && !each(batch)) return;
    }
    batch.clear();
    for (auto& f : open) run.tail(f, from, to, add);
    std::stable_sort(batch.begin(), batch.end(),
                     [](const auto& a, const auto& b) { return a.time < b.time; });
    if (!batch.empty() && !each(batch)) return;
  }
}

}  // namespace ww::collector
