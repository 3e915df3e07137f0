#pragma once
/// A flow for a parser to run in, without capture or stream handling: what tests and fuzz targets
/// share.
#include <algorithm>
#include <string>
#include <vector>

#include "sensors/files/file_store.hpp"
#include "sensors/protocols/http/http.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor::test {

struct TestFlow final : sig::Flow {};

class TestContext final : public ParserContext {
 public:
  explicit TestContext(FileOptions options = all_hashes())
      : options_(std::move(options)), files_(options_) {
    flow_.dport = 80;
    flow_.sport = 40000;
    const std::uint8_t octets[] = {10, 0, 0, 1};
    flow_.src = flow_.dst = IpAddress::v4(octets);
  }
  static FileOptions all_hashes() {
    FileOptions o;
    o.md5 = o.sha1 = o.sha256 = true;
    return o;
  }
  [[nodiscard]] Timestamp now() const override { return {1'700'000'000'000'000}; }
  [[nodiscard]] const sig::Flow& flow() const override { return flow_; }
  sig::Flow& edit_flow() { return flow_; }
  [[nodiscard]] FileStore& files() override { return files_; }
  std::uint64_t add_frame(sig::FrameType type, Dir dir, std::uint64_t offset, std::int64_t length,
                          std::uint64_t tx_id) override {
    frames.push_back({type, dir, offset, length, tx_id, frames.size() + 1, frames.size() + 1});
    return frames.size();
  }
  void set_frame_length(std::uint64_t frame, std::int64_t length) override {
    frames.at(frame - 1).length = length;
  }
  void set_frame_tx(std::uint64_t frame, std::uint64_t tx_id) override {
    frames.at(frame - 1).tx_id = tx_id;
  }
  bool change_protocol(std::string_view expected) override {
    changed = true;
    changed_to = expected;
    return !still_changing;
  }
  void rename_protocol(std::string_view name) override {
    renamed_to = name;
    flow_.app_proto = sig::app_protos().find(name);
  }
  void expect_flow(const IpAddress&, const IpAddress&, std::uint16_t to_port,
                   std::string_view proto, std::shared_ptr<void> n) override {
    expected_flows.push_back(std::string(proto) + " " + std::to_string(to_port));
    note = std::move(n);
  }
  [[nodiscard]] std::shared_ptr<void> expectation() const override { return note; }
  void add_event(EventId event) override { events.emplace_back(sig::events().name(event)); }
  void bypass_payload() override { bypassed = true; }

  std::vector<sig::Frame> frames;
  std::vector<std::string> events;
  bool still_changing = false;  ///< change_protocol() is refused
  bool changed = false;
  std::string changed_to, renamed_to;
  bool bypassed = false;
  std::vector<std::string> expected_flows;  ///< related flows: protocol and port
  std::shared_ptr<void> note;               ///< of the last one; what expectation() gives

 private:
  TestFlow flow_;
  FileOptions options_;
  FileStore files_;
};

/// A parser with its flow, fed by direction.
class Conversation {
 public:
  explicit Conversation(std::string_view protocol = "http", const Settings& settings = {})
      : parser_(find_protocol(protocol)->make(settings)) {}

  ParseResult say(Dir dir, std::string_view text, std::size_t piece = SIZE_MAX) {
    ParseResult last;
    if (text.empty()) return last;
    for (std::size_t at = 0; at < text.size() && !failed;
         at += piece == SIZE_MAX ? text.size() : piece)
      last = feed(dir, text.substr(at, piece), 0, false);
    return last;
  }
  ParseResult client(std::string_view text, std::size_t piece = SIZE_MAX) {
    return say(Dir::to_server, text, piece);
  }
  ParseResult server(std::string_view text, std::size_t piece = SIZE_MAX) {
    return say(Dir::to_client, text, piece);
  }
  ParseResult lose(Dir dir, std::uint64_t octets) { return feed(dir, {}, octets, false); }
  /// @param cut  more was sent, behind a hole
  void finish(bool cut = false) {
    cut_ = cut;
    if (!failed) feed(Dir::to_server, {}, 0, true);
    if (!failed) feed(Dir::to_client, {}, 0, true);
    ctx.files().truncate_all();
  }
  [[nodiscard]] std::size_t count() const { return parser_->transactions().size(); }
  [[nodiscard]] http::HttpTransaction& tx(std::size_t i) const {
    return static_cast<http::HttpTransaction&>(*parser_->transactions()[i]);
  }
  [[nodiscard]] bool has_event(std::size_t i, std::string_view name) const {
    const auto& ids = tx(i).event_ids;
    return std::any_of(ids.begin(), ids.end(),
                       [&](EventId e) { return sig::events().name(e) == name; });
  }
  /// What a rule would see in a buffer; "<absent>" and "<not ready>" otherwise.
  [[nodiscard]] std::string buffer(std::size_t i, std::string_view name, Dir dir,
                                   std::uint32_t index = 0) const {
    const auto id = sig::buffers().find(name);
    for (const auto& p : sig::protocol_buffers()) {
      if (p.proto != tx(i).proto) continue;
      for (const auto& b : p.buffers) {
        if (b.id != id || b.dir != dir || b.get == nullptr) continue;
        sig::BufferSlice slice;
        switch (b.get(tx(i), dir, index, slice)) {
          case sig::BufferStatus::not_ready:
            return "<not ready>";
          case sig::BufferStatus::absent:
            return "<absent>";
          case sig::BufferStatus::partial:
          case sig::BufferStatus::ready:
            return std::string(as_text(slice.data));
        }
      }
    }
    return "<unknown>";
  }
  [[nodiscard]] Parser& parser() const { return *parser_; }

  TestContext ctx;
  bool failed = false;

 private:
  ParseResult feed(Dir dir, std::string_view text, std::uint64_t gap, bool end) {
    auto& at = offset_[sig::index(dir)];
    StreamInput in;
    in.gap = gap;
    in.offset = at + gap;
    in.data = as_bytes(text);
    in.end = end;
    in.cut = cut_;
    at += gap + text.size();
    const auto r = parser_->parse(ctx, dir, in);
    failed = failed || r.status == ParseResult::Status::error;
    return r;
  }
  std::unique_ptr<Parser> parser_;
  std::uint64_t offset_[2] = {0, 0};
  bool cut_ = false;
};

}  // namespace ww::sensor::test
