#include "sensors/protocols/http/multipart.hpp"

#include "sensors/protocols/http/fields.hpp"
#include "sensors/protocols/http/http.hpp"

namespace ww::sensor::http {

Multipart::Multipart(std::string_view boundary, MultipartSink& sink) : mark_("--"), sink_(sink) {
  mark_ += boundary;
}

void Multipart::feed(Bytes data) {
  if (state_ == State::done) return;
  held_ += as_text(data);
  while (state_ != State::done && step()) {
  }
}

/// One decision; false when it needs more octets.
bool Multipart::step() {
  switch (state_) {
    case State::preamble:
    case State::skip:
      return find_boundary(false);
    case State::file:
      return find_boundary(true);
    case State::delimiter:
      return after_delimiter();
    case State::header:
      return read_header();
    case State::done:
      break;
  }
  return false;
}

/// What stands before the next boundary is file data or of no interest. The line end before a
/// boundary belongs to it.
bool Multipart::find_boundary(bool file) {
  const auto at = held_.find(mark_);
  const auto give = [&](std::size_t count) {
    if (file && count != 0) {
      file_empty_ = false;
      sink_.on_file_data(as_bytes(std::string_view(held_).substr(0, count)));
    }
  };
  if (at == std::string::npos) {
    const std::size_t keep = mark_.size() + 1;  // a line end and all but one octet of the mark
    if (held_.size() > keep) {
      give(held_.size() - keep);
      held_.erase(0, held_.size() - keep);
    }
    return false;
  }
  give(at >= 2 ? at - 2 : 0);
  held_.erase(0, at + mark_.size());
  if (file) leave_file(true);
  state_ = State::delimiter;
  return true;
}

bool Multipart::after_delimiter() {
  if (held_.size() < 2) return false;
  if (held_.starts_with("--")) {
    state_ = State::done;
    held_.clear();
    return false;
  }
  state_ = State::header;
  return true;
}

bool Multipart::read_header() {
  // The block starts with the line end of the boundary line.
  const auto end = held_.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (held_.size() > max_part_header) stop(MultipartSink::Fault::generic);
    return false;
  }
  std::string name;
  bool has_name = false;
  std::string_view block = std::string_view(held_).substr(0, end);
  block.remove_prefix(std::min<std::size_t>(2, block.size()));
  while (!block.empty()) {
    const auto line_end = block.find("\r\n");
    header_line(block.substr(0, line_end), name, has_name);
    block.remove_prefix(line_end == std::string_view::npos ? block.size() : line_end + 2);
  }
  held_.erase(0, end + 4);
  file_empty_ = true;
  state_ = has_name ? State::file : State::skip;
  if (has_name) sink_.on_file(name);
  return true;
}

void Multipart::header_line(std::string_view line, std::string& name, bool& has_name) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || colon + 1 == line.size()) {
    sink_.on_fault(MultipartSink::Fault::header);
    return;
  }
  if (!same_text(line.substr(0, colon), "content-disposition")) return;
  if (const auto value = parameter(line.substr(colon + 1), "filename")) {
    name = *value;
    has_name = true;
  }
}

void Multipart::leave_file(bool whole) {
  if (whole && file_empty_) sink_.on_fault(MultipartSink::Fault::no_data);
  sink_.on_file_end(whole);
}

void Multipart::stop(MultipartSink::Fault fault) {
  sink_.on_fault(fault);
  state_ = State::done;
  held_.clear();
}

void Multipart::finish() {
  if (state_ == State::file) {
    if (!held_.empty()) sink_.on_file_data(as_bytes(held_));
    leave_file(false);
  }
  state_ = State::done;
  held_.clear();
}

}  // namespace ww::sensor::http
