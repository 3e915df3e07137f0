#pragma once
/// What can be odd about a TCP conversation, under Suricata's names (`stream-event:est_invalid_ack`
/// is "stream.est_invalid_ack"), so that its stream-events rules work unchanged.
#include <string_view>

#include "rules/signature/inspect.hpp"

namespace ww::sensor {

#define WW_STREAM_EVENTS(X)                                                         \
  X(whs3_ack_in_wrong_dir, "3whs_ack_in_wrong_dir")                                 \
  X(whs3_async_wrong_seq, "3whs_async_wrong_seq")                                   \
  X(whs3_right_seq_wrong_ack_evasion, "3whs_right_seq_wrong_ack_evasion")           \
  X(whs3_synack_in_wrong_direction, "3whs_synack_in_wrong_direction")               \
  X(whs3_synack_resend_with_different_ack, "3whs_synack_resend_with_different_ack") \
  X(whs3_synack_resend_with_diff_seq, "3whs_synack_resend_with_diff_seq")           \
  X(whs3_synack_toserver_on_syn_recv, "3whs_synack_toserver_on_syn_recv")           \
  X(whs3_synack_with_wrong_ack, "3whs_synack_with_wrong_ack")                       \
  X(whs3_synack_tfo_data_ignored, "3whs_synack_tfo_data_ignored")                   \
  X(whs3_synack_flood, "3whs_synack_flood")                                         \
  X(whs3_syn_resend_diff_seq_on_syn_recv, "3whs_syn_resend_diff_seq_on_syn_recv")   \
  X(whs3_syn_toclient_on_syn_recv, "3whs_syn_toclient_on_syn_recv")                 \
  X(whs3_wrong_seq_wrong_ack, "3whs_wrong_seq_wrong_ack")                           \
  X(whs3_ack_data_inject, "3whs_ack_data_inject")                                   \
  X(whs3_syn_flood, "3whs_syn_flood")                                               \
  X(whs4_synack_with_wrong_ack, "4whs_synack_with_wrong_ack")                       \
  X(whs4_synack_with_wrong_syn, "4whs_synack_with_wrong_syn")                       \
  X(whs4_wrong_seq, "4whs_wrong_seq")                                               \
  X(whs4_invalid_ack, "4whs_invalid_ack")                                           \
  X(closewait_ack_out_of_window, "closewait_ack_out_of_window")                     \
  X(closewait_fin_out_of_window, "closewait_fin_out_of_window")                     \
  X(closewait_pkt_before_last_ack, "closewait_pkt_before_last_ack")                 \
  X(closewait_invalid_ack, "closewait_invalid_ack")                                 \
  X(closing_ack_wrong_seq, "closing_ack_wrong_seq")                                 \
  X(closing_invalid_ack, "closing_invalid_ack")                                     \
  X(est_packet_out_of_window, "est_packet_out_of_window")                           \
  X(est_pkt_before_last_ack, "est_pkt_before_last_ack")                             \
  X(est_synack_resend, "est_synack_resend")                                         \
  X(est_synack_resend_with_different_ack, "est_synack_resend_with_different_ack")   \
  X(est_synack_resend_with_diff_seq, "est_synack_resend_with_diff_seq")             \
  X(est_synack_toserver, "est_synack_toserver")                                     \
  X(est_syn_resend, "est_syn_resend")                                               \
  X(est_syn_resend_diff_seq, "est_syn_resend_diff_seq")                             \
  X(est_syn_toclient, "est_syn_toclient")                                           \
  X(est_ack_zwp_data, "est_ack_zwp_data")                                           \
  X(est_invalid_ack, "est_invalid_ack")                                             \
  X(fin_invalid_ack, "fin_invalid_ack")                                             \
  X(fin1_ack_wrong_seq, "fin1_ack_wrong_seq")                                       \
  X(fin1_fin_wrong_seq, "fin1_fin_wrong_seq")                                       \
  X(fin1_invalid_ack, "fin1_invalid_ack")                                           \
  X(fin2_ack_wrong_seq, "fin2_ack_wrong_seq")                                       \
  X(fin2_fin_wrong_seq, "fin2_fin_wrong_seq")                                       \
  X(fin2_invalid_ack, "fin2_invalid_ack")                                           \
  X(fin_but_no_session, "fin_but_no_session")                                       \
  X(fin_out_of_window, "fin_out_of_window")                                         \
  X(fin_syn, "fin_syn")                                                             \
  X(lastack_ack_wrong_seq, "lastack_ack_wrong_seq")                                 \
  X(lastack_invalid_ack, "lastack_invalid_ack")                                     \
  X(rst_but_no_session, "rst_but_no_session")                                       \
  X(timewait_ack_wrong_seq, "timewait_ack_wrong_seq")                               \
  X(timewait_invalid_ack, "timewait_invalid_ack")                                   \
  X(shutdown_syn_resend, "shutdown_syn_resend")                                     \
  X(pkt_invalid_timestamp, "pkt_invalid_timestamp")                                 \
  X(pkt_invalid_ack, "pkt_invalid_ack")                                             \
  X(pkt_broken_ack, "pkt_broken_ack")                                               \
  X(rst_invalid_ack, "rst_invalid_ack")                                             \
  X(pkt_retransmission, "pkt_retransmission")                                       \
  X(pkt_spurious_retransmission, "pkt_spurious_retransmission")                     \
  X(pkt_bad_window_update, "pkt_bad_window_update")                                 \
  X(suspected_rst_inject, "suspected_rst_inject")                                   \
  X(wrong_thread, "wrong_thread")                                                   \
  X(reassembly_segment_before_base_seq, "reassembly_segment_before_base_seq")       \
  X(reassembly_no_segment, "reassembly_no_segment")                                 \
  X(reassembly_seq_gap, "reassembly_seq_gap")                                       \
  X(reassembly_overlap_different_data, "reassembly_overlap_different_data")         \
  X(reassembly_depth_reached, "reassembly_depth_reached")                           \
  X(reassembly_insert_memcap, "reassembly_insert_memcap")                           \
  X(reassembly_insert_limit, "reassembly_insert_limit")                             \
  X(reassembly_insert_invalid, "reassembly_insert_invalid")                         \
  X(reassembly_urgent_oob_limit_reached, "reassembly_urgent_oob_limit_reached")

enum class StreamEvent : std::uint8_t {
#define WW_X(id, name) id,
  WW_STREAM_EVENTS(WW_X)
#undef WW_X
      count_
};

/// The id under which the event is registered with sig::events().
[[nodiscard]] sig::EventId event_id(StreamEvent e);
/// "stream.est_invalid_ack".
[[nodiscard]] std::string_view event_name(StreamEvent e);

}  // namespace ww::sensor
