#include "sensors/protocols/dnp3/layouts.hpp"

#include <charconv>
#include <map>
#include <string>

namespace ww::dnp3 {
namespace {

// Quality flags, least significant bit first.
constexpr std::string_view binary_flags =
    "online restart comm_lost remote_forced local_forced chatter_filter reserved state";
constexpr std::string_view double_bit_flags =
    "online restart comm_lost remote_forced local_forced chatter_filter state:2";
constexpr std::string_view output_flags =
    "online restart comm_lost remote_forced local_forced reserved0 reserved1 state";
constexpr std::string_view counter_flags =
    "online restart comm_lost remote_forced local_forced rollover discontinuity reserved0";
constexpr std::string_view frozen_time_flags =
    "online restart comm_lost remote_forced local_forced rollover discontinuity reserved1";
constexpr std::string_view delta_flags =
    "online restart comm_lost remote_forced local_forced rollover reserved0 reserved1";
constexpr std::string_view analog_flags =
    "online restart comm_lost remote_forced local_forced over_range reference_err reserved0";
constexpr std::string_view security_flags =
    "online restart comm_lost remote_forced local_forced reserved0 discontinuity reserved1";
constexpr std::string_view command_state = "status_code:7 commanded_state";
constexpr std::string_view command_status = "status_code:7 reserved0";

/// `flags` is a list of bits, `fields` of `kind:name`, with `kind:name@length` for sized ones.
/// Kinds: b (bits), u1 u2 u3 u4 u6, i2 i4, r4 r8, t (text), x (octets); without @ they take what
/// the prefix leaves.
struct Row {
  std::string_view points;  ///< `group.variation` of each that has this layout
  std::string_view flags, fields;
  char needs = 0;  ///< p packed, s size prefix, 5 two-octet size
};
constexpr Row rows[] = {
    {"1.1 10.1 80.1", "", "b1:state", 'p'},
    {"1.2", binary_flags, ""},
    {"2.1", "", "u1:state"},
    {"2.2", binary_flags, "u6:timestamp"},
    {"2.3", binary_flags, "u2:timestamp"},
    {"3.1", "", "b2:state", 'p'},
    {"3.2 4.1", double_bit_flags, ""},
    {"4.2", double_bit_flags, "u6:timestamp"},
    {"4.3", double_bit_flags, "u2:relative_time_ms"},
    {"10.2 11.1", output_flags, ""},
    {"11.2", output_flags, "u6:timestamp"},
    {"12.1 12.2", "op_type:4 qu cr tcc:2",
     "u1:count u4:ontime u4:offtime b7:status_code b1:reserved"},
    {"12.3", "", "b1:point", 'p'},
    {"13.1", command_state, ""},
    {"13.2", command_state, "u6:timestamp"},
    {"20.1 21.1 22.1 23.1", counter_flags, "u4:count"},
    {"20.2 21.2 22.2", counter_flags, "u2:count"},
    {"20.3 21.3 22.3 23.3", delta_flags, "u4:count"},
    {"20.4 21.4 22.4 23.2 23.4", delta_flags, "u2:count"},
    {"20.5 20.7 21.9 21.11", "", "u4:count"},
    {"20.6 20.8 21.10 21.12", "", "u2:count"},
    {"21.5", frozen_time_flags, "u4:count u6:timestamp"},
    {"21.6", frozen_time_flags, "u2:count u6:timestamp"},
    {"21.7 22.5 22.7 23.7", delta_flags, "u4:count u6:timestamp"},
    {"21.8 22.8 23.8", delta_flags, "u2:count u6:timestamp"},
    {"22.6 23.6", counter_flags, "u2:count u6:timestamp"},
    {"23.5", counter_flags, "u4:count u6:timestamp"},
    {"30.1 31.1 32.1 33.1 40.1 42.1", analog_flags, "i4:value"},
    {"30.2 31.2 32.2 33.2 40.2 42.2", analog_flags, "i2:value"},
    {"30.3 31.5", "", "i4:value"},
    {"30.4 31.6", "", "i2:value"},
    {"30.5 31.7 32.5 33.5 40.3 42.5", analog_flags, "r4:value"},
    {"30.6 31.8 32.6 33.6 40.4 42.6", analog_flags, "r8:value"},
    {"31.3 32.3 33.3 42.3", analog_flags, "i4:value u6:timestamp"},
    {"31.4 32.4 33.4 42.4", analog_flags, "i2:value u6:timestamp"},
    {"32.7 33.7 42.7", analog_flags, "r4:value u6:timestamp"},
    {"32.8 33.8 42.8", analog_flags, "r8:value u6:timestamp"},
    {"34.1", "", "u2:deadband_value"},
    {"34.2", "", "u4:deadband_value"},
    {"34.3", "", "r4:deadband_value"},
    {"41.1", "", "i4:value u1:control_status"},
    {"41.2", "", "i2:value u1:control_status"},
    {"41.3", "", "r4:value u1:control_status"},
    {"41.4", "", "r8:value u1:control_status"},
    {"43.1", command_status, "i4:commanded_value"},
    {"43.2", command_status, "i2:commanded_value"},
    {"43.3", command_status, "i4:commanded_value u6:timestamp"},
    {"43.4", command_status, "i2:commanded_value u6:timestamp"},
    {"43.5", command_status, "r4:commanded_value"},
    {"43.6", command_status, "r8:commanded_value"},
    {"43.7", command_status, "r4:commanded_value u6:timestamp"},
    {"43.8", command_status, "r8:commanded_value u6:timestamp"},
    {"50.1 50.3 51.1 51.2", "", "u6:timestamp"},
    {"50.2", "", "u6:timestamp u4:interval"},
    {"50.4", "", "u6:timestamp u4:interval_count u1:interval_units"},
    {"52.1", "", "u2:delay_secs"},
    {"52.2", "", "u2:delay_ms"},
    {"70.1", "",
     "u2:filename_size u1:filetype_code u1:attribute_code u2:start_record u2:end_record "
     "u4:file_size u6:created_timestamp u2:permission u4:file_id u4:owner_id u4:group_id "
     "u1:file_function_code u1:status_code t:filename@filename_size u2:data_size "
     "t:data@data_size"},
    {"70.2", "",
     "u2:username_offset u2:username_size u2:password_offset u2:password_size "
     "u4:authentication_key t:username@username_size t:password@password_size"},
    {"70.3", "",
     "u2:filename_offset u2:filename_size u6:created u2:permissions u4:authentication_key "
     "u4:file_size u2:operational_mode u2:maximum_block_size u2:request_id "
     "t:filename@filename_size"},
    {"70.4", "",
     "u4:file_handle u4:file_size u2:maximum_block_size u2:request_id u1:status_code "
     "t:optional_text",
     's'},
    {"70.5", "", "u4:file_handle u4:block_number t:file_data", 's'},
    {"70.6", "", "u4:file_handle u4:block_number u1:status_code t:optional_text", 's'},
    {"70.7", "",
     "u2:filename_offset u2:filename_size u2:file_type u4:file_size u6:created_timestamp "
     "u2:permissions u2:request_id t:filename@filename_size"},
    {"70.8", "", "t:file_specification", '5'},
    {"81.1", "fill_percentage:7 overflow_state", "u1:group u1:variation"},
    {"83.1", "", "v4:vendor_code u2:object_id u2:length x:data_objects@length"},
    {"86.2", "rd wr st ev df padding0 padding1 padding2", ""},
    {"102.1", "", "u1:value"},
    {"120.1", "", "u4:csq u2:usr u1:mal u1:reason x:challenge_data", '5'},
    {"120.2", "", "u4:csq u2:usr x:mac_value", '5'},
    {"120.3", "", "u4:csq u2:user_number"},
    {"120.4", "", "u2:user_number"},
    {"120.5", "",
     "u4:ksq u2:user_number u1:key_wrap_alg u1:key_status u1:mal u2:challenge_data_len "
     "x:challenge_data@challenge_data_len x:mac_value",
     '5'},
    {"120.6", "", "u3:ksq u2:usr x:wrapped_key_data", '5'},
    {"120.7", "",
     "u4:sequence_number u2:usr u2:association_id u1:error_code u6:time_of_error "
     "t:error_text",
     '5'},
    {"120.8", "", "u1:key_change_method u1:certificate_type x:certificate", '5'},
    {"120.9", "", "x:mac_value"},
    {"120.10", "",
     "u1:key_change_method u1:operation u4:scs u2:user_role u2:user_role_expiry_interval "
     "u2:username_len u2:user_public_key_len u2:certification_data_len "
     "t:username@username_len x:user_public_key@user_public_key_len "
     "x:certification_data@certification_data_len",
     '5'},
    {"120.11", "",
     "u1:key_change_method u2:username_len u2:master_challenge_data_len "
     "t:username@username_len x:master_challenge_data@master_challenge_data_len",
     '5'},
    {"120.12", "",
     "u4:ksq u2:user_number u2:challenge_data_len x:challenge_data@challenge_data_len", '5'},
    {"120.13", "",
     "u4:ksq u2:user_number u2:encrypted_update_key_len "
     "x:encrypted_update_key_data@encrypted_update_key_len",
     '5'},
    {"120.14", "", "x:digital_signature", '5'},
    {"120.15", "", "x:mac", '5'},
    {"121.1 122.1", security_flags, "u2:association_id u4:count_value"},
    {"122.2", security_flags, "u2:association_id u4:count_value u6:timestamp"},
};

std::string_view next_word(std::string_view& list) {
  const auto end = list.find(' ');
  const auto word = list.substr(0, end);
  list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
  return word;
}
std::uint8_t small(std::string_view s) {
  std::uint8_t v = 1;
  std::from_chars(s.data(), s.data() + s.size(), v);
  return v;
}

Field read_field(std::string_view word) {
  const auto colon = word.find(':');
  const auto kind = word.substr(0, colon);
  auto name = word.substr(colon + 1);
  Field f;
  f.width = kind.size() > 1 ? small(kind.substr(1)) : std::uint8_t{0};
  if (const auto at = name.find('@'); at != std::string_view::npos) {
    f.length = name.substr(at + 1);
    name = name.substr(0, at);
  }
  f.name = name;
  using enum Field::Kind;
  switch (kind.front()) {
    case 'b':
      f.kind = bits;
      break;
    case 'i':
      f.kind = i;
      break;
    case 'r':
      f.kind = real;
      break;
    case 'v':  // characters of a fixed number
      f.kind = text;
      break;
    case 't':
      f.kind = f.length.empty() ? rest_text : text;
      break;
    case 'x':
      f.kind = f.length.empty() ? rest_octets : octets;
      break;
    default:
      break;
  }
  return f;
}

Layout read_row(const Row& row) {
  Layout l;
  l.packed = row.needs == 'p';
  l.size_prefix = row.needs == 's';
  l.two_octet_size = row.needs == '5';
  for (auto flags = row.flags; !flags.empty();) {
    const auto word = next_word(flags);
    const auto colon = word.find(':');
    Field f;
    f.kind = Field::Kind::bits;
    f.name = word.substr(0, colon);
    f.width = colon == std::string_view::npos ? std::uint8_t{1} : small(word.substr(colon + 1));
    l.fields.push_back(f);
  }
  for (auto fields = row.fields; !fields.empty();)
    l.fields.push_back(read_field(next_word(fields)));
  return l;
}

}  // namespace

const Layout* find_layout(std::uint8_t group, std::uint8_t variation) {
  static const auto table = [] {
    std::map<std::pair<std::uint8_t, std::uint8_t>, Layout> out;
    for (const auto& row : rows) {
      const auto layout = read_row(row);
      for (auto points = row.points; !points.empty();) {
        const auto point = next_word(points);
        const auto dot = point.find('.');
        out.emplace(std::pair{small(point.substr(0, dot)), small(point.substr(dot + 1))}, layout);
      }
    }
    return out;
  }();
  const auto at = table.find({group, variation});
  return at == table.end() ? nullptr : &at->second;
}

}  // namespace ww::dnp3
