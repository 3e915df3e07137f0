#include "sensors/protocols/bittorrent_dht/message.hpp"

#include <charconv>

namespace ww::bittorrent_dht {
namespace {

/// A cursor over bencoding (BEP 3). After the first violation every read gives nothing.
class Decoder {
 public:
  Decoder(Bytes octets, const Limits& limits) : text_(as_text(octets)), limits_(limits) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] char peek() const { return ok_ && at_ < text_.size() ? text_[at_] : '\0'; }

  std::string_view string() {
    const auto n = number_until(':');
    if (!ok_ || n < 0 || static_cast<std::uint64_t>(n) > text_.size() - at_) return bad();
    const auto out = text_.substr(at_, static_cast<std::size_t>(n));
    at_ += out.size();
    return out;
  }
  std::int64_t integer() {
    if (!take('i')) return 0;
    return number_until('e');
  }
  /// Calls `item` for each key, with the decoder at its value.
  template <class F>
  void dictionary(F item) {
    each('d', [&] {
      const auto key = string();
      if (ok_) item(key);
    });
  }
  template <class F>
  void list(F item) {
    each('l', item);
  }
  /// Passes over one value of any kind.
  void skip() {
    switch (peek()) {
      case 'd':
        dictionary([this](std::string_view) { skip(); });
        break;
      case 'l':
        list([this] { skip(); });
        break;
      case 'i':
        (void)integer();
        break;
      default:
        (void)string();
        break;
    }
  }

 private:
  std::string_view bad() {
    ok_ = false;
    return {};
  }
  bool take(char c) {
    if (peek() != c) return !bad().empty();
    ++at_;
    return true;
  }
  template <class F>
  void each(char opens, F item) {
    if (!take(opens)) return;
    if (++depth_ > limits_.max_depth) ok_ = false;
    while (ok_ && peek() != 'e') item();
    (void)take('e');
    --depth_;
  }
  std::int64_t number_until(char end) {
    std::int64_t v = 0;
    const auto* first = text_.data() + at_;
    const auto* last = text_.data() + text_.size();
    const auto r = std::from_chars(first, last, v);
    if (!ok_ || r.ec != std::errc() || r.ptr == last || *r.ptr != end) {
      ok_ = false;
      return 0;
    }
    at_ += static_cast<std::size_t>(r.ptr - first) + 1;
    return v;
  }

  std::string_view text_;
  const Limits& limits_;
  std::size_t at_ = 0, depth_ = 0;
  bool ok_ = true;
};

Peer read_peer(ByteReader& in, bool v6) {
  const auto address = in.bytes(v6 ? 16 : 4);
  Peer p;
  if (in.ok()) p.ip = v6 ? IpAddress::v6(address.data()) : IpAddress::v4(address.data());
  p.port = in.u16be();
  return p;
}

std::vector<Node> read_nodes(std::string_view compact, bool v6, const Limits& limits) {
  std::vector<Node> out;
  ByteReader in(as_bytes(compact));
  while (out.size() < limits.max_values) {
    Node n;
    n.id = in.text(20);
    n.peer = read_peer(in, v6);
    if (!in.ok()) break;
    out.push_back(std::move(n));
  }
  return out;
}

void read_values(Decoder& in, Response& r, const Limits& limits) {
  in.list([&] {
    const auto compact = in.string();
    const bool v6 = compact.size() == 18;
    if ((compact.size() != 6 && !v6) || r.values.size() >= limits.max_values) return;
    ByteReader octets(as_bytes(compact));
    r.values.push_back(read_peer(octets, v6));
  });
}

Request read_request(Decoder& in, bool& whole) {
  Request r;
  bool id = false;
  in.dictionary([&](std::string_view key) {
    if (key == "id") {
      r.id = in.string();
      id = true;
    } else if (key == "target") {
      r.target = std::string(in.string());
    } else if (key == "info_hash") {
      r.info_hash = std::string(in.string());
    } else if (key == "token") {
      r.token = std::string(in.string());
    } else if (key == "implied_port") {
      r.implied_port = static_cast<std::uint64_t>(in.integer());
    } else if (key == "port") {
      r.port = static_cast<std::uint16_t>(in.integer());
    } else {
      in.skip();
    }
  });
  whole = id;
  return r;
}

Response read_response(Decoder& in, const Limits& limits, bool& whole) {
  Response r;
  bool id = false;
  in.dictionary([&](std::string_view key) {
    if (key == "id") {
      r.id = in.string();
      id = true;
    } else if (key == "nodes") {
      r.nodes = read_nodes(in.string(), false, limits);
    } else if (key == "nodes6") {
      r.nodes6 = read_nodes(in.string(), true, limits);
    } else if (key == "token") {
      r.token = std::string(in.string());
    } else if (key == "values") {
      read_values(in, r, limits);
    } else {
      in.skip();
    }
  });
  whole = id;
  return r;
}

/// `[number, text]`.
Error read_error(Decoder& in, bool& whole) {
  Error e;
  int n = 0;
  in.list([&] {
    if (n == 0)
      e.number = in.integer();
    else if (n == 1)
      e.text = in.string();
    else
      in.skip();
    ++n;
  });
  whole = n >= 2;
  return e;
}

}  // namespace

Message parse(Bytes octets, const Limits& limits) {
  Message m;
  Decoder in(octets, limits);
  std::string kind;
  bool transaction = false, whole_request = true, whole_response = true, whole_error = true;
  in.dictionary([&](std::string_view key) {
    if (key == "a") {
      m.request = read_request(in, whole_request);
    } else if (key == "r") {
      m.response = read_response(in, limits, whole_response);
    } else if (key == "e") {
      m.error = read_error(in, whole_error);
    } else if (key == "q") {
      m.request_type = std::string(in.string());
    } else if (key == "t") {
      m.transaction = in.string();
      transaction = true;
    } else if (key == "v") {
      m.client_version = std::string(in.string());
    } else if (key == "y") {
      kind = in.string();
    } else {
      in.skip();
    }
  });
  const bool complete = (kind == "q" && m.request && m.request_type && whole_request) ||
                        (kind == "r" && m.response && whole_response) ||
                        (kind == "e" && m.error && whole_error);
  m.malformed = !in.ok() || !transaction || !complete;
  return m;
}

}  // namespace ww::bittorrent_dht
