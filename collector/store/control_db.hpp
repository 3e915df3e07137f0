#pragma once
/// The control database: one writer connection under a mutex, readers on connections of their own.
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "collector/store/control.hpp"
#include "collector/store/event_reader.hpp"
#include "collector/store/store.hpp"

namespace ww::collector {

class ControlFile final : public ControlDb {
 public:
  [[nodiscard]] static Result<std::unique_ptr<ControlFile>, Problem> open(
      const std::string& path, std::vector<ControlModule> modules);

  Result<void, Problem> write(const std::function<void(sql::Database&)>& body) override;
  Result<void, Problem> read(const std::function<void(sql::Database&)>& body) const override;
  Result<void, Problem> add_tables(std::string_view module,
                                   std::span<const sql::Migration> steps) override;

  /// Applies what a journal record says of cursors, gaps, dead letters and the modules' rows, once.
  [[nodiscard]] Result<void, sql::Error> apply(std::uint64_t number,
                                               const std::vector<BatchWrite>& batches,
                                               const std::vector<ControlRecord>& records,
                                               const std::vector<std::uint64_t>& batch_events);
  [[nodiscard]] std::uint64_t applied() const { return applied_; }
  [[nodiscard]] bool sync();
  [[nodiscard]] std::uint64_t unknown_records() const { return unknown_; }

 private:
  ControlFile() : readers_(8) {}
  std::string path_;
  std::mutex mutex_;
  std::unique_ptr<sql::Database> db_;
  std::vector<ControlModule> modules_;
  std::uint64_t applied_ = 0, unknown_ = 0;
  mutable ReaderPool readers_;
};

}  // namespace ww::collector
