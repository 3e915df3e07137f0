#include <magic.h>

#include <memory>

#include "sensors/files/file_store.hpp"

namespace ww::sensor {
namespace {

struct Close {
  void operator()(magic_t handle) const { magic_close(handle); }
};
using Handle = std::unique_ptr<std::remove_pointer_t<magic_t>, Close>;

Handle open_handle() {
  Handle handle(magic_open(MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_TAR | MAGIC_NO_CHECK_ELF));
  if (handle && magic_load(handle.get(), nullptr) != 0) handle.reset();
  return handle;
}

}  // namespace

std::string file_magic(Bytes head) {
  thread_local const Handle handle =
      open_handle();  // a handle is not thread-safe; loading it takes a while
  if (!handle || head.empty()) return {};
  const char* text = magic_buffer(handle.get(), head.data(), head.size());
  return text == nullptr ? std::string() : std::string(text);
}

}  // namespace ww::sensor
