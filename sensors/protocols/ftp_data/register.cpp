/// FTP data connections that a control connection announced: the octets are one file.
#include "sensors/files/file_store.hpp"
#include "sensors/protocols/ftp/note.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

using sig::BufferStatus;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto data_proto = sig::app_protos().intern("ftp-data");

struct DataTx final : Transaction {
  ftp::DataNote note;
  sig::File* file = nullptr;
  Dir dir = Dir::to_client;
};

class DataParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    auto& files = ctx.files();
    files.begin_batch();
    if (started_ && transactions().empty())
      return ParseResult::ok();  // released: nothing follows a finished file
    if (tx_ == nullptr && (!input.data.empty() || input.gap > 0)) {
      const auto note = std::static_pointer_cast<ftp::DataNote>(ctx.expectation());
      if (!note) return ParseResult::error();
      auto owned = std::make_unique<DataTx>();
      owned->proto = data_proto;
      owned->note = *note;
      owned->dir = dir;
      owned->complete[1 - sig::index(dir)] = true;
      tx_ = &add(std::move(owned), ctx);
      started_ = true;
      tx_->file = files.open(*tx_, dir, as_bytes(tx_->note.filename));
    }
    if (tx_ == nullptr || dir != tx_->dir) return ParseResult::ok();
    if (tx_->file != nullptr) {
      if (input.gap > 0) files.gap(*tx_->file, input.gap);
      files.append(*tx_->file, input.data);
    }
    ++tx_->revision;
    if (input.end && !tx_->complete[sig::index(dir)]) {
      if (tx_->file != nullptr) files.close(*tx_->file);
      tx_->complete[sig::index(dir)] = true;
      tx_->progress[0] = tx_->progress[1] = 1;
    }
    return ParseResult::ok();
  }
  [[nodiscard]] bool accepts_gaps() const override { return true; }

 private:
  DataTx* tx_ = nullptr;  ///< valid while transactions() holds it
  bool started_ = false;
};

const DataTx& as_tx(const Transaction& t) { return static_cast<const DataTx&>(t); }

BufferStatus get_command(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  out = as_tx(t).note.store ? 2 : 1;
  return i == 0 ? BufferStatus::ready : BufferStatus::absent;
}

bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& note = as_tx(t).note;
  json.begin_object("ftp_data");
  json.field_bytes("filename", as_bytes(note.filename));
  json.field("command", note.store ? "STOR" : "RETR");
  json.end_object();
  return true;
}

Protocol describe() {
  Protocol p;
  p.name = "ftp-data";
  p.settings_name = "ftp";
  p.rule_names = {"ftp-data"};
  p.tcp = true;
  p.make = [](const Settings&) -> std::unique_ptr<Parser> {
    return std::make_unique<DataParser>();
  };
  Logger logger;
  logger.event_type = "ftp_data";
  logger.settings_name = "ftp";
  logger.write = &log;
  p.loggers = {logger};
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    p.buffers.numbers.push_back({sig::numbers().intern("ftpdata.command"), dir, &get_command});
    p.buffers.buffers.push_back({sig::buffers().intern("file.data"), dir, nullptr, true});
  }
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
