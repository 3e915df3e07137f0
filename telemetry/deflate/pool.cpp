#include <array>

#include "telemetry/deflate/decoder.hpp"

namespace ww::deflate {
namespace {

constexpr std::size_t most_idle = 32;

struct Pool {
  std::array<std::unique_ptr<Decoder>, most_idle> idle;
  std::size_t count = 0;
  ~Pool();
};
/// Decoders may outlive the pool of their thread: those of objects that are destroyed later.
thread_local bool pool_gone = false;
thread_local Pool pool;
Pool::~Pool() { pool_gone = true; }

}  // namespace

void Return::operator()(Decoder* decoder) const noexcept {
  std::unique_ptr<Decoder> owned(decoder);
  if (!pool_gone && pool.count < most_idle) pool.idle[pool.count++] = std::move(owned);
}

Borrowed borrow(Format format) {
  if (pool_gone || pool.count == 0) return Borrowed(new Decoder(format));
  Borrowed decoder(pool.idle[--pool.count].release());
  decoder->reset(format);
  return decoder;
}

}  // namespace ww::deflate
