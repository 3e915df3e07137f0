#include "sensors/protocols/http/body.hpp"

#include <algorithm>

#include "sensors/files/file_store.hpp"
#include "sensors/protocols/http/events.hpp"
#include "sensors/protocols/http/fields.hpp"

namespace ww::sensor::http {
namespace {

constexpr std::uint64_t body_burst = 4 << 20;  // octets of one body held between two inspections
constexpr std::size_t max_file_name = 4096;

struct Names {
  sig::EventId range[2] = {event("range_invalid"), sig::events().find("http2.invalid_range")};
  sig::EventId http2_decode = sig::events().find("http2.failed_decompression");
  sig::EventId generic = event("multipart_generic_error");
  sig::EventId no_data = event("multipart_no_filedata");
  sig::EventId header = event("multipart_invalid_header");
  sig::EventId name_too_long = event("file_name_too_long");
};
const Names& ids() {
  static const Names n;
  return n;
}

}  // namespace

Body::Body(HttpTransaction& tx, Dir dir, const ServerConfig& config, Version version)
    : tx_(tx), dir_(dir), config_(config), version_(version) {}
Body::~Body() = default;

Body::Kind Body::kind() const {
  if (dir_ == Dir::to_client) return Kind::file;
  if (version_ == Version::http1 && tx_.method != "POST" && tx_.method != "PUT") return Kind::plain;
  const auto type = tx_.request().headers.find("content-type");
  if (tx_.method != "PUT" && type)
    if (const auto boundary = parameter(*type, "boundary"); boundary && !boundary->empty())
      return boundary->size() <= Multipart::max_boundary ? Kind::form : Kind::plain;
  return Kind::file;
}

void Body::start(ParserContext&) {
  started_ = true;
  kind_ = kind();
  if (kind_ == Kind::form) {
    const auto type = tx_.request().headers.find("content-type");
    form_ = std::make_unique<Multipart>(*parameter(*type, "boundary"), *this);
  }
  const auto report = [this](DecodeEvent e) { on_decode_event(e); };
  if (const auto field = tx_.of(dir_).headers.find("content-encoding")) {
    std::string value(trim_blank(*field));
    std::erase(value, '\0');  // browsers read over a NUL
    const auto codings = parse_codings(value, config_.decode, report);
    if (!codings.empty()) decoder_.emplace(codings, config_.decode);
  }
}

void Body::on_decode_event(DecodeEvent e) {
  if (version_ == Version::http1)
    tx_.add_event(event_of(e));
  else if (e == DecodeEvent::failed || e == DecodeEvent::bomb)
    tx_.add_event(ids().http2_decode);
}

void Body::data(ParserContext& ctx, Bytes octets) {
  ctx_ = &ctx;
  if (!started_) start(ctx);
  tx_.revision++;
  if (decoder_)
    decoder_->decode(
        octets, [&](Bytes out) { take(ctx, out); }, [this](DecodeEvent e) { on_decode_event(e); });
  else
    take(ctx, octets);
}

void Body::gap(ParserContext& ctx, std::uint64_t octets) {
  ctx_ = &ctx;
  if (!started_) start(ctx);
  tx_.revision++;
  auto& m = tx_.of(dir_);
  m.decoded_octets += octets;
  m.body.skip(octets);
  m.body_octets += octets;
  if (range_) range_->gap();
  if (kind_ != Kind::file) return;
  if (m.file == nullptr && !m.file_refused) open_body_file(ctx);
  if (m.file != nullptr) ctx.files().gap(*m.file, octets);
}

/// A file that is to be kept is followed as deep as file-store says, others as the body limit says.
/// 0: all.
std::uint64_t Body::limit(ParserContext& ctx) const {
  const auto* file = tx_.of(dir_).file;
  const auto& options = ctx.files().options();
  if (file != nullptr && file->stored && !options.store_folder.empty()) return options.store_depth;
  return version_ == Version::http1 ? config_.body[sig::index(dir_)].limit : 0;
}

void Body::take(ParserContext& ctx, Bytes octets) {
  auto& m = tx_.of(dir_);
  m.decoded_octets += octets.size();
  const auto most = limit(ctx);
  if (most != 0 && m.body_octets >= most) {
    m.body_cut = true;
    if (form_) form_->finish();  // what could have been a boundary is the file's
    close_file(sig::FileState::truncated);
    return;
  }
  if (most != 0 && octets.size() > most - m.body_octets)
    octets = octets.first(most - m.body_octets);
  m.body_octets += octets.size();
  if (kind_ == Kind::file) {
    const bool first = m.body_octets == octets.size() && m.body.end() == 0;
    to_file(ctx, octets);
    if (first) m.body_file = m.file;
  }
  if (m.body_file == nullptr && ctx.files().options().window != 0)
    m.body.append(octets, body_burst);
  if (kind_ == Kind::form) form_->feed(octets);
  if (range_) range_->append(octets);
}

void Body::to_file(ParserContext& ctx, Bytes octets) {
  auto& m = tx_.of(dir_);
  if (m.file == nullptr && !m.file_refused) open_body_file(ctx);
  if (m.file != nullptr) ctx.files().append(*m.file, octets);
}

void Body::open_file(ParserContext& ctx, std::string_view name) {
  auto& m = tx_.of(dir_);
  if (name.size() > max_file_name) {
    name = name.substr(0, max_file_name);
    tx_.add_event(ids().name_too_long);
  }
  m.file = ctx.files().open(tx_, dir_, as_bytes(name));
  m.file_refused = m.file == nullptr;
}

/// The file that a whole body is: named by Content-Disposition in responses, else by the path.
void Body::open_body_file(ParserContext& ctx) {
  auto& m = tx_.of(dir_);
  std::string_view name = tx_.path;
  if (dir_ == Dir::to_client)
    if (const auto field = m.headers.find("content-disposition"))
      if (const auto given = parameter(*field, "filename")) name = *given;
  if (name.empty()) {
    m.file_refused = true;
    return;
  }
  open_file(ctx, name);
  if (m.file == nullptr) return;
  const auto& sizes = config_.body[sig::index(dir_)];
  ctx.files().keep(*m.file, std::max(sizes.inspect_min, sizes.inspect_window));
  if (dir_ == Dir::to_server) return;
  const auto field = m.headers.find("content-range");
  if (!field) return;
  const auto range = parse_content_range(*field);
  if (!range || (range->start && range->size && *range->size != 0 &&
                 (*range->start > *range->end || *range->end >= *range->size))) {
    tx_.add_event(ids().range[static_cast<std::size_t>(version_)]);
    return;
  }
  if (!range->end || *range->end == 0) return;  // an answer to a range that cannot be given
  if (range->size && *range->start == 0 && *range->end == *range->size - 1) return;  // all of it
  m.file->has_range = true;
  m.file->start = *range->start;
  m.file->end = *range->end;
  if (range->size)
    range_.emplace(tx_.host + "/" + tx_.path, *range->start, *range->end, *range->size);
}

void Body::close_file(sig::FileState state) {
  auto& m = tx_.of(dir_);
  if (m.file == nullptr) return;
  ctx_->files().close(*m.file, state);
  m.file = nullptr;
  m.file_refused = true;
  tx_.revision++;
}

void Body::end(ParserContext& ctx, bool whole) {
  ctx_ = &ctx;
  if (started_ && decoder_)
    decoder_->finish([&](Bytes out) { take(ctx, out); },
                     [this](DecodeEvent e) { on_decode_event(e); });
  auto& m = tx_.of(dir_);
  if (form_) form_->finish();
  close_file(whole && !m.body_cut ? sig::FileState::closed : sig::FileState::truncated);
  if (!range_) return;
  if (auto file = range_->finish(ctx.now(), RangeLimits{})) {
    if (auto* f = ctx.files().open(tx_, dir_, as_bytes(tx_.path))) {
      ctx.files().append(*f, *file);
      ctx.files().close(*f);
    }
  }
  range_.reset();
}

void Body::on_file(std::string_view name) {
  auto& m = tx_.of(dir_);
  m.file_refused = false;
  open_file(*ctx_, name);
}
void Body::on_file_data(Bytes data) {
  if (auto* f = tx_.of(dir_).file) ctx_->files().append(*f, data);
}
void Body::on_file_end(bool whole) {
  close_file(whole ? sig::FileState::closed : sig::FileState::truncated);
}
void Body::on_fault(Fault fault) {
  tx_.add_event(fault == Fault::header    ? ids().header
                : fault == Fault::no_data ? ids().no_data
                                          : ids().generic);
}

}  // namespace ww::sensor::http
