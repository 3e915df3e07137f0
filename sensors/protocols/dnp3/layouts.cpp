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
  std::uint8_t group;        ///< 0 in a list that several groups share
  std::uint8_t first, last;  ///< variations with this layout
  std::string_view flags, fields;
  char needs = 0;  ///< p packed, s size prefix, 5 two-octet size
};
constexpr Row rows[] = {
    {1, 1, 1, "", "b1:state", 'p'},
    {1, 2, 2, binary_flags, ""},
    {2, 1, 1, "", "u1:state"},
    {2, 2, 2, binary_flags, "u6:timestamp"},
    {2, 3, 3, binary_flags, "u2:timestamp"},
    {3, 1, 1, "", "b2:state", 'p'},
    {3, 2, 2, double_bit_flags, ""},
    {4, 1, 1, double_bit_flags, ""},
    {4, 2, 2, double_bit_flags, "u6:timestamp"},
    {4, 3, 3, double_bit_flags, "u2:relative_time_ms"},
    {10, 1, 1, "", "b1:state", 'p'},
    {10, 2, 2, output_flags, ""},
    {11, 1, 1, output_flags, ""},
    {11, 2, 2, output_flags, "u6:timestamp"},
    {12, 1, 2, "op_type:4 qu cr tcc:2", "u1:count u4:ontime u4:offtime b7:status_code b1:reserved"},
    {12, 3, 3, "", "b1:point", 'p'},
    {13, 1, 1, command_state, ""},
    {13, 2, 2, command_state, "u6:timestamp"},
    {20, 1, 1, counter_flags, "u4:count"},
    {20, 2, 2, counter_flags, "u2:count"},
    {20, 3, 3, delta_flags, "u4:count"},
    {20, 4, 4, delta_flags, "u2:count"},
    {20, 5, 5, "", "u4:count"},
    {20, 6, 6, "", "u2:count"},
    {20, 7, 7, "", "u4:count"},
    {20, 8, 8, "", "u2:count"},
    {21, 1, 1, counter_flags, "u4:count"},
    {21, 2, 2, counter_flags, "u2:count"},
    {21, 3, 3, delta_flags, "u4:count"},
    {21, 4, 4, delta_flags, "u2:count"},
    {21, 5, 5, frozen_time_flags, "u4:count u6:timestamp"},
    {21, 6, 6, frozen_time_flags, "u2:count u6:timestamp"},
    {21, 7, 7, delta_flags, "u4:count u6:timestamp"},
    {21, 8, 8, delta_flags, "u2:count u6:timestamp"},
    {21, 9, 9, "", "u4:count"},
    {21, 10, 10, "", "u2:count"},
    {21, 11, 11, "", "u4:count"},
    {21, 12, 12, "", "u2:count"},
    {22, 1, 1, counter_flags, "u4:count"},
    {22, 2, 2, counter_flags, "u2:count"},
    {22, 3, 3, delta_flags, "u4:count"},
    {22, 4, 4, delta_flags, "u2:count"},
    {22, 5, 5, delta_flags, "u4:count u6:timestamp"},
    {22, 6, 6, counter_flags, "u2:count u6:timestamp"},
    {22, 7, 7, delta_flags, "u4:count u6:timestamp"},
    {22, 8, 8, delta_flags, "u2:count u6:timestamp"},
    {23, 1, 1, counter_flags, "u4:count"},
    {23, 2, 2, delta_flags, "u2:count"},
    {23, 3, 3, delta_flags, "u4:count"},
    {23, 4, 4, delta_flags, "u2:count"},
    {23, 5, 5, counter_flags, "u4:count u6:timestamp"},
    {23, 6, 6, counter_flags, "u2:count u6:timestamp"},
    {23, 7, 7, delta_flags, "u4:count u6:timestamp"},
    {23, 8, 8, delta_flags, "u2:count u6:timestamp"},
    {30, 1, 1, analog_flags, "i4:value"},
    {30, 2, 2, analog_flags, "i2:value"},
    {30, 3, 3, "", "i4:value"},
    {30, 4, 4, "", "i2:value"},
    {30, 5, 5, analog_flags, "r4:value"},
    {30, 6, 6, analog_flags, "r8:value"},
    {31, 1, 1, analog_flags, "i4:value"},
    {31, 2, 2, analog_flags, "i2:value"},
    {31, 3, 3, analog_flags, "i4:value u6:timestamp"},
    {31, 4, 4, analog_flags, "i2:value u6:timestamp"},
    {31, 5, 5, "", "i4:value"},
    {31, 6, 6, "", "i2:value"},
    {31, 7, 7, analog_flags, "r4:value"},
    {31, 8, 8, analog_flags, "r8:value"},
    {34, 1, 1, "", "u2:deadband_value"},
    {34, 2, 2, "", "u4:deadband_value"},
    {34, 3, 3, "", "r4:deadband_value"},
    {40, 1, 1, analog_flags, "i4:value"},
    {40, 2, 2, analog_flags, "i2:value"},
    {40, 3, 3, analog_flags, "r4:value"},
    {40, 4, 4, analog_flags, "r8:value"},
    {41, 1, 1, "", "i4:value u1:control_status"},
    {41, 2, 2, "", "i2:value u1:control_status"},
    {41, 3, 3, "", "r4:value u1:control_status"},
    {41, 4, 4, "", "r8:value u1:control_status"},
    {43, 1, 1, command_status, "i4:commanded_value"},
    {43, 2, 2, command_status, "i2:commanded_value"},
    {43, 3, 3, command_status, "i4:commanded_value u6:timestamp"},
    {43, 4, 4, command_status, "i2:commanded_value u6:timestamp"},
    {43, 5, 5, command_status, "r4:commanded_value"},
    {43, 6, 6, command_status, "r8:commanded_value"},
    {43, 7, 7, command_status, "r4:commanded_value u6:timestamp"},
    {43, 8, 8, command_status, "r8:commanded_value u6:timestamp"},
    {50, 1, 1, "", "u6:timestamp"},
    {50, 2, 2, "", "u6:timestamp u4:interval"},
    {50, 3, 3, "", "u6:timestamp"},
    {50, 4, 4, "", "u6:timestamp u4:interval_count u1:interval_units"},
    {51, 1, 2, "", "u6:timestamp"},
    {52, 1, 1, "", "u2:delay_secs"},
    {52, 2, 2, "", "u2:delay_ms"},
    {70, 1, 1, "",
     "u2:filename_size u1:filetype_code u1:attribute_code u2:start_record u2:end_record "
     "u4:file_size "
     "u6:created_timestamp u2:permission u4:file_id u4:owner_id u4:group_id u1:file_function_code "
     "u1:status_code t:filename@filename_size u2:data_size t:data@data_size"},
    {70, 2, 2, "",
     "u2:username_offset u2:username_size u2:password_offset u2:password_size "
     "u4:authentication_key t:username@username_size t:password@password_size"},
    {70, 3, 3, "",
     "u2:filename_offset u2:filename_size u6:created u2:permissions u4:authentication_key "
     "u4:file_size u2:operational_mode u2:maximum_block_size u2:request_id "
     "t:filename@filename_size"},
    {70, 4, 4, "",
     "u4:file_handle u4:file_size u2:maximum_block_size u2:request_id u1:status_code "
     "t:optional_text",
     's'},
    {70, 5, 5, "", "u4:file_handle u4:block_number t:file_data", 's'},
    {70, 6, 6, "", "u4:file_handle u4:block_number u1:status_code t:optional_text", 's'},
    {70, 7, 7, "",
     "u2:filename_offset u2:filename_size u2:file_type u4:file_size u6:created_timestamp "
     "u2:permissions u2:request_id t:filename@filename_size"},
    {70, 8, 8, "", "t:file_specification", '5'},
    {80, 1, 1, "", "b1:state", 'p'},
    {81, 1, 1, "fill_percentage:7 overflow_state", "u1:group u1:variation"},
    {83, 1, 1, "", "v4:vendor_code u2:object_id u2:length x:data_objects@length"},
    {86, 2, 2, "rd wr st ev df padding0 padding1 padding2", ""},
    {102, 1, 1, "", "u1:value"},
    {120, 1, 1, "", "u4:csq u2:usr u1:mal u1:reason x:challenge_data", '5'},
    {120, 2, 2, "", "u4:csq u2:usr x:mac_value", '5'},
    {120, 3, 3, "", "u4:csq u2:user_number"},
    {120, 4, 4, "", "u2:user_number"},
    {120, 5, 5, "",
     "u4:ksq u2:user_number u1:key_wrap_alg u1:key_status u1:mal u2:challenge_data_len "
     "x:challenge_data@challenge_data_len x:mac_value",
     '5'},
    {120, 6, 6, "", "u3:ksq u2:usr x:wrapped_key_data", '5'},
    {120, 7, 7, "",
     "u4:sequence_number u2:usr u2:association_id u1:error_code u6:time_of_error t:error_text",
     '5'},
    {120, 8, 8, "", "u1:key_change_method u1:certificate_type x:certificate", '5'},
    {120, 9, 9, "", "x:mac_value"},
    {120, 10, 10, "",
     "u1:key_change_method u1:operation u4:scs u2:user_role u2:user_role_expiry_interval "
     "u2:username_len u2:user_public_key_len u2:certification_data_len t:username@username_len "
     "x:user_public_key@user_public_key_len x:certification_data@certification_data_len",
     '5'},
    {120, 11, 11, "",
     "u1:key_change_method u2:username_len u2:master_challenge_data_len t:username@username_len "
     "x:master_challenge_data@master_challenge_data_len",
     '5'},
    {120, 12, 12, "",
     "u4:ksq u2:user_number u2:challenge_data_len x:challenge_data@challenge_data_len", '5'},
    {120, 13, 13, "",
     "u4:ksq u2:user_number u2:encrypted_update_key_len "
     "x:encrypted_update_key_data@encrypted_update_key_len",
     '5'},
    {120, 14, 14, "", "x:digital_signature", '5'},
    {120, 15, 15, "", "x:mac", '5'},
    {121, 1, 1, security_flags, "u2:association_id u4:count_value"},
    {122, 1, 1, security_flags, "u2:association_id u4:count_value"},
    {122, 2, 2, security_flags, "u2:association_id u4:count_value u6:timestamp"},
};

/// Groups 32, 33 and 42 have the same variations.
constexpr std::uint8_t analog_event_groups[] = {32, 33, 42};
constexpr Row analog_events[] = {
    {0, 1, 1, analog_flags, "i4:value"},
    {0, 2, 2, analog_flags, "i2:value"},
    {0, 3, 3, analog_flags, "i4:value u6:timestamp"},
    {0, 4, 4, analog_flags, "i2:value u6:timestamp"},
    {0, 5, 5, analog_flags, "r4:value"},
    {0, 6, 6, analog_flags, "r8:value"},
    {0, 7, 7, analog_flags, "r4:value u6:timestamp"},
    {0, 8, 8, analog_flags, "r8:value u6:timestamp"},
};

std::string_view next_word(std::string_view& list) {
  const auto end = list.find(' ');
  const auto word = list.substr(0, end);
  list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
  return word;
}
std::uint8_t digit(std::string_view s) {
  std::uint8_t v = 1;
  std::from_chars(s.data(), s.data() + s.size(), v);
  return v;
}

Field read_field(std::string_view word) {
  const auto colon = word.find(':');
  const auto kind = word.substr(0, colon);
  auto name = word.substr(colon + 1);
  Field f;
  f.width = kind.size() > 1 ? digit(kind.substr(1)) : std::uint8_t{0};
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
    f.width = colon == std::string_view::npos ? std::uint8_t{1} : digit(word.substr(colon + 1));
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
    const auto add = [&](std::uint8_t of, const Row& row) {
      for (unsigned v = row.first; v <= row.last; ++v)
        out.emplace(std::pair{of, static_cast<std::uint8_t>(v)}, read_row(row));
    };
    for (const auto& row : rows) add(row.group, row);
    for (const auto of : analog_event_groups)
      for (const auto& row : analog_events) add(of, row);
    return out;
  }();
  const auto at = table.find({group, variation});
  return at == table.end() ? nullptr : &at->second;
}

}  // namespace ww::dnp3
