#include <algorithm>
#include <cstdio>

#include "ctl/commands/command.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::ctl {
namespace {

// Columns on a terminal: code points are close enough to cells for the text we print.
std::size_t width(std::string_view s) {
  return static_cast<std::size_t>(
      std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// Text of attackers reaches this screen: no escape sequence may leave as it is.
std::string visible(std::string_view s) {
  std::string out;
  for (const char c : s) {
    const auto u = static_cast<unsigned char>(c);
    if (u >= 0x20 && u != 0x7f) {
      out += c;
    } else {
      out += "\\x";
      append_hex(out, Bytes{&u, 1});
    }
  }
  return out;
}

std::string csv_cell(std::string_view s) {
  // A leading =, +, - or @ is a formula to a spreadsheet.
  std::string cell(s);
  if (!cell.empty() && std::string_view("=+-@\t\r").find(cell[0]) != std::string_view::npos)
    cell.insert(0, "'");
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string out = "\"";
  for (const char c : cell) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace

std::string Table::text(Output format, bool colour) const {
  std::string out;
  if (format == Output::json) {
    JsonWriter json(out);
    json.begin_array();
    for (const auto& row : rows_) {
      json.begin_object();
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        json.key_text(columns_[i]);
        json.value(i < row.size() ? row[i] : std::string());
      }
      json.end_object();
    }
    json.end_array();
    return out + '\n';
  }
  if (format == Output::csv) {
    const auto line = [&](const std::vector<std::string>& cells) {
      for (std::size_t i = 0; i < cells.size(); ++i) {
        if (i != 0) out += ',';
        out += csv_cell(cells[i]);
      }
      out += "\r\n";  // RFC 4180
    };
    line(columns_);
    for (const auto& row : rows_) line(row);
    return out;
  }
  std::vector<std::vector<std::string>> shown;
  std::vector<std::size_t> widths;
  for (const auto& c : columns_) widths.push_back(width(c));
  for (const auto& row : rows_) {
    auto& cells = shown.emplace_back();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      cells.push_back(i < row.size() ? visible(row[i]) : std::string());
      widths[i] = std::max(widths[i], width(cells.back()));
    }
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      text += cells[i];
      if (i + 1 < cells.size()) text.append(widths[i] - width(cells[i]) + 2, ' ');
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    return text;
  };
  out += colour ? "\x1b[1m" + line(columns_) + "\x1b[0m\n" : line(columns_) + '\n';
  for (const auto& row : shown) out += line(row) + '\n';
  return out;
}

void Table::print(const Context& context) const {
  const auto all = text(context.output, context.colour);
  std::fwrite(all.data(), 1, all.size(), stdout);
}

}  // namespace ww::ctl
