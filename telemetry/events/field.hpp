#pragma once
/// An event is declared once: a struct with `type` and `fields()`. JSON, documentation and column
/// lists are derived by walking `fields()`. Absent means absent: std::optional members, empty
/// strings are written.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "telemetry/json_writer.hpp"

namespace ww {

template <class T, class M>
struct Field {
  std::string_view name;
  M T::* member;
  std::string_view meaning;
};
template <class T, class M>
constexpr Field<T, M> field(std::string_view name, M T::* member, std::string_view meaning) {
  return {name, member, meaning};
}

template <class T>
concept Declared = requires { T::fields(); };

template <class V>
void write_value(JsonWriter& json, const V& v);

/// Writes the members of a declared struct into the object that is open.
template <Declared T>
void write_fields(JsonWriter& json, const T& event) {
  std::apply(
      [&](const auto&... f) {
        const auto one = [&](const auto& field) {
          const auto& v = event.*(field.member);
          using V = std::remove_cvref_t<decltype(v)>;
          if constexpr (requires { v.has_value(); }) {
            if (!v.has_value()) return;
            json.key(field.name);
            write_value(json, *v);
          } else if constexpr (requires { typename V::mapped_type; }) {
            if (v.empty()) return;
            json.key(field.name);
            write_value(json, v);
          } else {
            json.key(field.name);
            write_value(json, v);
          }
        };
        (one(f), ...);
      },
      T::fields());
}

template <class V>
void write_value(JsonWriter& json, const V& v) {
  if constexpr (Declared<V>) {
    json.begin_object();
    write_fields(json, v);
    json.end_object();
  } else if constexpr (requires { typename V::mapped_type; }) {
    json.begin_object();
    for (const auto& [k, item] : v) {
      json.key_text(k);
      write_value(json, item);
    }
    json.end_object();
  } else if constexpr (requires { typename V::value_type; } &&
                       !std::is_convertible_v<V, std::string_view>) {
    json.begin_array();
    for (const auto& item : v) write_value(json, item);
    json.end_array();
  } else {
    json.value(v);
  }
}

}  // namespace ww
