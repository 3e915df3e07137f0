/// Texts of events.
#include <iterator>

#include "sensors/protocols/modbus/modbus.hpp"

namespace ww::modbus {
namespace {

template <std::size_t N>
std::string flags_text(const std::string_view (&names)[N], std::uint8_t bits) {
  std::string out;
  for (std::size_t i = 0; i < N; ++i) {
    if ((bits >> i & 1) == 0) continue;
    if (!out.empty()) out += " | ";
    out += names[i];
  }
  return out.empty() ? "NONE" : out;
}

}  // namespace

std::string_view function_name(std::uint8_t f) {
  static constexpr std::string_view names[] = {
      "Unknown",      "RdCoils",         "RdDiscreteInputs", "RdHoldRegs",        "RdInputRegs",
      "WrSingleCoil", "WrSingleReg",     "RdExcStatus",      "Diagnostic",        "Program484",
      "Poll484",      "GetCommEventCtr", "GetCommEventLog",  "ProgramController", "PollController",
      "WrMultCoils",  "WrMultRegs",      "ReportServerID",   "Program884",        "ResetCommLink",
      "RdFileRec",    "WrFileRec",       "MaskWrReg",        "RdWrMultRegs",      "RdFIFOQueue"};
  if (f == function::mei) return "MEI";
  return f < std::size(names) ? names[f] : names[0];
}

std::string_view exception_name(std::uint16_t code) {
  static constexpr std::string_view names[] = {"Unknown",
                                               "IllegalFunction",
                                               "IllegalDataAddr",
                                               "IllegalDataValue",
                                               "ServerDeviceFail",
                                               "Ack",
                                               "ServerDeviceBusy",
                                               "NegAck",
                                               "MemParityErr",
                                               "Unknown",
                                               "GatewayPathUnavailable",
                                               "GatewayTargetFailToResp"};
  return code < std::size(names) ? names[code] : names[0];
}

std::string_view diagnostic_name(std::uint16_t code) {
  static constexpr std::string_view first[] = {"RetQueryData", "RestartCommOpt", "RetDiagReg",
                                               "ChangeInputDelimiter", "ForceListenOnlyMode"};
  static constexpr std::string_view later[] = {
      "ClearCtrDiagReg",    "RetBusMsgCount",          "RetBusCommErrCount",
      "RetBusExcErrCount",  "RetServerMsgCount",       "RetServerNoRespCount",
      "RetServerNAKCount",  "RetServerBusyCount",      "RetBusCharOverrunCount",
      "RetOverrunErrCount", "ClearOverrunCounterFlag", "GetClearPlusStats"};
  constexpr std::uint16_t later_from = 10;
  if (code < std::size(first)) return first[code];
  if (code >= later_from && code - later_from < static_cast<int>(std::size(later)))
    return later[code - later_from];
  return "Reserved";
}

std::string_view mei_name(std::uint16_t code) {
  return code == 0x0d ? "CANOpenGenRefReqResp" : code == 0x0e ? "RdDevId" : "Unknown";
}

std::string access_text(std::uint8_t bits) {
  static constexpr std::string_view names[] = {"READ",  "WRITE",   "DISCRETES", "COILS",
                                               "INPUT", "HOLDING", "SINGLE",    "MULTIPLE"};
  auto out = flags_text(names, bits);
  // Combinations with names of their own come behind.
  constexpr std::uint8_t write = 2, single = 64, multiple = 128;
  if ((bits & write) != 0 && (bits & single) != 0) out += " | WRITE_SINGLE";
  if ((bits & write) != 0 && (bits & multiple) != 0) out += " | WRITE_MULTIPLE";
  return out;
}
std::string category_text(std::uint8_t bits) {
  static constexpr std::string_view names[] = {"PUBLIC_ASSIGNED", "PUBLIC_UNASSIGNED",
                                               "USER_DEFINED", "RESERVED"};
  return flags_text(names, bits);
}
std::string error_text(std::uint8_t bits) {
  static constexpr std::string_view names[] = {"DATA_VALUE", "DATA_LENGTH", "EXC_CODE", "FUNC_CODE",
                                               "PROTO_ID"};
  return flags_text(names, bits);
}

}  // namespace ww::modbus
