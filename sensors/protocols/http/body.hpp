#pragma once
/// One body of HTTP/1 or HTTP/2: its codings undone, what is kept for inspection, the files in it.
#include <memory>
#include <optional>

#include "sensors/protocols/http/decode.hpp"
#include "sensors/protocols/http/http.hpp"
#include "sensors/protocols/http/multipart.hpp"
#include "sensors/protocols/http/range.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor::http {

/// Lives from the end of a header block to the end of its body. Lazily set up: a message without a
/// body costs nothing.
class Body final : public MultipartSink {
 public:
  enum class Version : std::uint8_t { http1, http2 };
  /// @param config  borrowed; outlives the body, as does the transaction
  Body(HttpTransaction& tx, Dir dir, const ServerConfig& config, Version version);
  ~Body() override;
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

  void data(ParserContext& ctx, Bytes octets);
  void gap(ParserContext& ctx, std::uint64_t octets);
  /// The message is over. @param whole  false: the connection or stream ended before the body did
  void end(ParserContext& ctx, bool whole);

 private:
  enum class Kind : std::uint8_t { plain /* no file */, file, form };

  void start(ParserContext& ctx);
  void on_decode_event(DecodeEvent e);
  void take(ParserContext& ctx, Bytes octets);
  void to_file(ParserContext& ctx, Bytes octets);
  void open_file(ParserContext& ctx, std::string_view name);
  void open_body_file(ParserContext& ctx);
  void close_file(sig::FileState state);
  [[nodiscard]] std::uint64_t limit(ParserContext& ctx) const;
  [[nodiscard]] Kind kind() const;

  void on_file(std::string_view name) override;
  void on_file_data(Bytes data) override;
  void on_file_end(bool whole) override;
  void on_fault(Fault fault) override;

  HttpTransaction& tx_;
  Dir dir_;
  const ServerConfig& config_;
  Version version_;
  Kind kind_ = Kind::plain;
  bool started_ = false;
  std::optional<BodyDecoder> decoder_;
  std::unique_ptr<Multipart> form_;
  std::optional<RangeWriter> range_;
  ParserContext* ctx_ = nullptr;  // while data() or end() runs
};

}  // namespace ww::sensor::http
