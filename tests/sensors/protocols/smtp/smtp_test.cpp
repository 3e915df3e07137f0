/// SMTP against RFC 5321, 2920, 3030 and 3207; the mail in it against RFC 5322, 2045-2047, 2183.
#include "tests/sensors/protocols/talk.hpp"

namespace ww::sensor::test {
namespace {

bool says(const std::string& eve, std::string_view part) {
  return eve.find(part) != std::string::npos;
}
/// A session up to the invitation to send the message.
Talk& greet(Talk& talk) {
  return talk.server("220 mail.example ready\r\n")
      .client("EHLO gp.example\r\n")
      .server("250-mail.example\r\n250 SIZE\r\n")
      .client("MAIL FROM:<anna@gp.example>\r\n")
      .server("250 ok\r\n")
      .client("RCPT TO:<ben@trust.example>\r\n")
      .server("250 ok\r\n")
      .client("DATA\r\n")
      .server("354 go ahead\r\n");
}
Talk& send(Talk& talk, const std::string& message) {
  return greet(talk).client(message + "\r\n.\r\n").server("250 queued\r\n");
}
const std::string letter =
    "From: Anna <anna@gp.example>\r\nTo: ben@trust.example, cat@trust.example\r\n"
    "Cc: dan@trust.example\r\nSubject: Referral\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\n"
    "Message-ID: <1@gp.example>\r\nX-Mailer: Pine\r\nReceived: from a\r\nReceived: from b\r\n";
std::string mixed(const std::string& parts) {
  return letter + "Content-Type: multipart/mixed; boundary=\"cut\"\r\n\r\n" + parts + "--cut--\r\n";
}
std::string attachment(const std::string& name, const std::string& encoding,
                       const std::string& body) {
  return "--cut\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: " +
         encoding + "\r\nContent-Disposition: attachment; filename=\"" + name + "\"\r\n\r\n" +
         body + "\r\n";
}

TEST(Smtp, TheEnvelopeIsInTheEvent) {
  Talk talk("smtp");
  send(talk, letter + "\r\nDear Ben");
  ASSERT_EQ(talk.count(), 1U);
  EXPECT_TRUE(talk.done(0));
  EXPECT_TRUE(says(talk.json(0), R"("smtp":{"helo":"gp.example","mail_from":"<anna@gp.example>",)"
                                 R"("rcpt_to":["<ben@trust.example>"]})"))
      << talk.json(0);
  EXPECT_EQ(talk.buffer(0, "smtp.helo"), "gp.example");
  EXPECT_EQ(talk.buffer(0, "smtp.mail_from"), "<anna@gp.example>");
  EXPECT_EQ(talk.buffer(0, "smtp.rcpt_to"), "<ben@trust.example>");
  EXPECT_EQ(talk.buffer(0, "smtp.rcpt_to", Dir::to_server, 1), "<absent>");
}

TEST(Smtp, TheMailIsInTheEvent) {
  Talk talk("smtp");
  send(talk, letter + "\r\nDear Ben");
  EXPECT_TRUE(says(talk.json(0), R"("email":{"from":"Anna <anna@gp.example>",)"
                                 R"("to":["ben@trust.example","cat@trust.example"],)"
                                 R"("cc":["dan@trust.example"],"status":"PARSE_DONE"})"))
      << talk.json(0);
  for (const auto& [name, value] : {std::pair{"email.from", "Anna <anna@gp.example>"},
                                    {"email.to", "ben@trust.example, cat@trust.example"},
                                    {"email.cc", "dan@trust.example"},
                                    {"email.subject", "Referral"},
                                    {"email.date", "Mon, 1 Jan 2024 10:00:00 +0000"},
                                    {"email.message_id", "<1@gp.example>"},
                                    {"email.x_mailer", "Pine"},
                                    {"email.received", "from a"}})
    EXPECT_EQ(talk.buffer(0, name), value) << name;
  EXPECT_EQ(talk.buffer(0, "email.received", Dir::to_server, 1), "from b");
  EXPECT_EQ(talk.buffer(0, "email.received", Dir::to_server, 2), "<absent>");
}

TEST(Smtp, AddressesArePartedOutsideOfQuotes) {
  Talk talk("smtp");
  send(talk,
       "From: a@gp.example\r\nTo:  \"Doe, J\" <j@trust.example>,\tb@trust.example, ,c\r\nCc: "
       ",\r\n\r\nx");
  EXPECT_TRUE(
      says(talk.json(0), R"("to":["\"Doe, J\" <j@trust.example>","b@trust.example","c"],"status")"))
      << talk.json(0);
}

TEST(Smtp, TheBodyHasADigest) {
  Talk talk("smtp");
  send(talk, letter + "\r\nDear Ben");
  EXPECT_EQ(talk.buffer(0, "email.body_md5").size(), 32U);
  EXPECT_EQ(talk.buffer(0, "email.body_md5", Dir::to_client), "<unknown>");
}

TEST(Smtp, OptionsOfTheEventAddFields) {
  Talk talk("smtp");
  send(talk, letter + "\r\nDear Ben");
  Settings extended;
  extended.set("extended", "yes");
  EXPECT_TRUE(says(talk.json(0, extended),
                   R"("message_id":"<1@gp.example>","subject":"Referral","x_mailer":"Pine")"))
      << talk.json(0, extended);
  Settings custom;
  custom.set("custom.0", "received");
  EXPECT_TRUE(says(talk.json(0, custom), R"("received":["from a","from b"])"))
      << talk.json(0, custom);
  Settings digests;
  digests.set("md5.0", "subject");
  digests.set("md5.1", "body");
  // MD5 of "Referral" and of "Dear Ben".
  EXPECT_TRUE(says(talk.json(0, digests), R"("subject_md5":")")) << talk.json(0, digests);
  EXPECT_TRUE(says(talk.json(0, digests), R"("body_md5":")")) << talk.json(0, digests);
}

TEST(Smtp, AttachmentsAreDecodedFiles) {
  Talk talk("smtp");
  send(talk, mixed(attachment("a.txt", "base64", "aGVsbG8g\r\nd29ybGQ=") +
                   attachment("b.txt", "quoted-printable", "hello=20=\r\nworld") +
                   attachment("c.txt", "7bit", "hello world")));
  ASSERT_EQ(talk.files().size(), 3U);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_TRUE(talk.files()[i].ends_with(
        " 11 closed b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"))
        << talk.files()[i];
  EXPECT_TRUE(says(talk.json(0), R"("attachment":["a.txt","b.txt","c.txt"])"));
}

TEST(Smtp, UrlsOfTextAreFound) {
  Talk talk("smtp");
  send(talk, letter + "\r\nsee http://one.example/a?b=c and\r\n<http://two.example/> now");
  EXPECT_EQ(talk.buffer(0, "email.url"), "one.example/a?b=c");
  EXPECT_EQ(talk.buffer(0, "email.url", Dir::to_server, 1), "two.example/");
  EXPECT_TRUE(says(talk.json(0), R"("url":["two.example/","one.example/a?b=c"])"));
  // What is opened is searched decoded; text as it came, but for base64.
  Talk parts("smtp");
  send(parts, mixed(attachment("a.bin", "quoted-printable", "http://att=61ch.example/") +
                    "--cut\r\nContent-Type: text/html\r\n"
                    "Content-Transfer-Encoding: "
                    "base64\r\n\r\nPGEgaHJlZj0naHR0cDovL2h0bWwuZXhhbXBsZS8nPgo=\r\n"
                    "--cut\r\nContent-Type: image/png\r\n\r\nhttp://no.example/\r\n"));
  EXPECT_EQ(parts.buffer(0, "email.url"), "attach.example/");
  EXPECT_EQ(parts.buffer(0, "email.url", Dir::to_server, 1), "html.example/");
  EXPECT_EQ(parts.buffer(0, "email.url", Dir::to_server, 2), "<absent>");
  Settings s;
  s.set("app-layer.protocols.smtp.mime.extract-urls-schemes.0", "https");
  s.set("app-layer.protocols.smtp.mime.log-url-scheme", "yes");
  Talk schemes("smtp", s);
  send(schemes, letter + "\r\nhttp://no.example https://yes.example/x");
  EXPECT_EQ(schemes.buffer(0, "email.url"), "https://yes.example/x");
  EXPECT_EQ(schemes.buffer(0, "email.url", Dir::to_server, 1), "<absent>");
}

TEST(Smtp, RawExtractionKeepsTheMessage) {
  Settings s;
  s.set("app-layer.protocols.smtp.raw-extraction", "yes");
  s.set("app-layer.protocols.smtp.mime.decode-mime", "no");
  Talk talk("smtp", s);
  send(talk, "Subject: x\r\n\r\n..dot");
  ASSERT_EQ(talk.files().size(), 1U);
  EXPECT_TRUE(talk.files()[0].starts_with("rawmsg 20 closed")) << talk.files()[0];
}

TEST(Smtp, RsetEndsATransaction) {
  Talk talk("smtp");
  talk.server("220 x\r\n").client("HELO a\r\n").server("250 ok\r\n");
  talk.client("MAIL FROM:<one@a>\r\n").server("250 ok\r\n").client("RSET\r\n").server("250 ok\r\n");
  talk.client("MAIL FROM:<two@a>\r\n").server("250 ok\r\n");
  ASSERT_EQ(talk.count(), 2U);
  EXPECT_EQ(talk.buffer(0, "smtp.mail_from"), "<one@a>");
  EXPECT_EQ(talk.buffer(1, "smtp.mail_from"), "<two@a>");
  EXPECT_EQ(talk.buffer(1, "smtp.helo"), "a");
}

TEST(Smtp, StarttlsHandsTheFlowOver) {
  Talk talk("smtp");
  talk.server("220 x\r\n").client("EHLO a\r\n").server("250-x\r\n250 STARTTLS\r\n");
  talk.client("STARTTLS\r\n").server("220 go\r\n");
  EXPECT_TRUE(talk.ctx.changed);
  EXPECT_EQ(talk.ctx.changed_to, "tls");
}

TEST(Smtp, BdatCountsItsChunks) {
  Talk talk("smtp");
  talk.server("220 x\r\n").client("EHLO a\r\n").server("250 CHUNKING\r\n");
  talk.client("MAIL FROM:<a@a>\r\n").server("250 ok\r\n").client("RCPT TO:<b@b>\r\n");
  talk.server("250 ok\r\n").client("BDAT 12\r\nSubject: x\r\n").server("250 ok\r\n");
  talk.client("BDAT 9 LAST\r\n\r\nQUIT\r\n\n").server("250 ok\r\n");
  EXPECT_EQ(talk.buffer(0, "email.subject"), "x");
  EXPECT_TRUE(talk.done(0));
}

TEST(Smtp, LinesAreFrames) {
  Talk talk("smtp");
  send(talk, letter + "\r\nhi");
  EXPECT_EQ(talk.frames("smtp.command_line"), 4U);
  EXPECT_EQ(talk.frames("smtp.response_line"), 7U);
  EXPECT_EQ(talk.frames("smtp.data"), 1U);
  EXPECT_EQ(talk.frames("smtp.stream"), 2U);
}

TEST(SmtpEvents, OfTheDialogue) {
  const auto event = [](const Script& script, std::string_view name) {
    Talk talk("smtp");
    for (const auto& [dir, octets] : script) talk.say(dir, octets);
    return talk.any_event(name);
  };
  const auto c = Dir::to_server, s = Dir::to_client;
  const std::pair<Dir, std::string> hello{s, "220 x\r\n"}, helo{c, "HELO a\r\n"},
      ok{s, "250 ok\r\n"};
  EXPECT_TRUE(event({helo, {s, "hello there\r\n"}}, "smtp.invalid_reply"));
  EXPECT_TRUE(
      event({helo, hello, ok, {s, "250 again\r\n"}}, "smtp.unable_to_match_reply_with_request"));
  EXPECT_TRUE(
      event({{c, "HELO a\r\nSTARTTLS\r\nMAIL FROM:<a>\r\n"}}, "smtp.invalid_pipelined_sequence"));
  EXPECT_TRUE(event({hello, helo, ok, {c, "HELO b\r\n"}}, "smtp.duplicate_fields"));
  EXPECT_TRUE(
      event({hello, helo, ok, {c, "STARTTLS\r\n"}, {s, "454 no\r\n"}}, "smtp.tls_rejected"));
  EXPECT_TRUE(
      event({hello, helo, ok, {c, "DATA\r\n"}, {s, "503 no\r\n"}}, "smtp.data_command_rejected"));
  EXPECT_TRUE(
      event({hello, helo, ok, {c, std::string(5000, 'x') + "\r\n"}}, "smtp.truncated_line"));
  for (const auto* name : {"smtp.truncated_line", "smtp.max_command_line_len_exceeded",
                           "smtp.max_reply_line_len_exceeded"})
    EXPECT_FALSE(event({hello,
                        helo,
                        {s, "250 " + std::string(500, 'y') + "\r\n"},
                        {c, std::string(500, 'x') + "\r\n"}},
                       name));
  EXPECT_TRUE(event({hello, helo, ok, {c, std::string(5000, 'x') + "\r\n"}},
                    "smtp.max_command_line_len_exceeded"));
  EXPECT_TRUE(event({hello, helo, {s, "250 " + std::string(5000, 'x') + "\r\n"}},
                    "smtp.max_reply_line_len_exceeded"));
  EXPECT_TRUE(event({helo}, "smtp.no_server_welcome_message"));
  EXPECT_FALSE(event({hello, helo}, "smtp.no_server_welcome_message"));
  EXPECT_FALSE(event({helo, {s, "554 no\r\n"}}, "smtp.invalid_reply"));  // answers the greeting
  const std::pair<Dir, std::string> mail{c, "MAIL FROM:<a@a>\r\n"};
  EXPECT_TRUE(event({hello, helo, ok, mail, ok, {c, "BDAT 5\r\nSubject: longer\r\n"}},
                    "smtp.bdat_chunk_len_exceeded"));
  EXPECT_FALSE(event({hello, helo, ok, mail, ok, {c, "BDAT 5\r\nab\r\ncBDAT 2 LAST\r\nd\n"}},
                     "smtp.bdat_chunk_len_exceeded"));
  // A second message before the first one ended.
  EXPECT_TRUE(
      event({hello, helo, ok, mail, ok, {c, "DATA\r\n"}, {s, "503 no\r\n"}, {c, "DATA\r\n"}},
            "smtp.unparsable_content"));
}

TEST(SmtpEvents, OfTheMail) {
  const auto event = [](const std::string& message, std::string_view name) {
    Talk talk("smtp");
    send(talk, message);
    return talk.any_event(name);
  };
  EXPECT_TRUE(event(mixed(attachment("a", "base64", "=aGVsbG8=")), "smtp.mime_invalid_base64"));
  EXPECT_TRUE(event(mixed(attachment("a", "quoted-printable", "a=XYb")), "smtp.mime_invalid_qp"));
  EXPECT_TRUE(event(letter + "\r\n" + std::string(1200, 'l'), "smtp.mime_long_line"));
  EXPECT_TRUE(
      event(mixed(attachment("a", "base64", std::string(80, 'A'))), "smtp.mime_long_enc_line"));
  EXPECT_TRUE(event("X-" + std::string(74, 'h') + ": v\r\n\r\nb", "smtp.mime_long_header_name"));
  EXPECT_FALSE(event("X-" + std::string(73, 'h') + ": v\r\n\r\nb", "smtp.mime_long_header_name"));
  EXPECT_TRUE(event("no colon here\r\n\r\nb", "smtp.mime_malformed_msg"));
  std::string many;
  for (int i = 0; i < 600; ++i) many += "X: y\r\n";
  EXPECT_TRUE(event(many + "\r\nb", "smtp.mime_parse_failed"));
  EXPECT_TRUE(
      event("Subject: " + std::string(2500, 'v') + "\r\n\r\nb", "smtp.mime_long_header_value"));
  EXPECT_TRUE(
      event("Content-Type: multipart/mixed; boundary=" + std::string(300, 'b') + "\r\n\r\nb",
            "smtp.mime_long_boundary"));
  EXPECT_TRUE(
      event(mixed(attachment(std::string(300, 'f'), "7bit", "b")), "smtp.mime_long_filename"));
  for (const auto& name :
       {"smtp.mime_invalid_base64", "smtp.mime_invalid_qp", "smtp.mime_long_line",
        "smtp.mime_long_enc_line", "smtp.mime_long_header_name", "smtp.mime_long_header_value",
        "smtp.mime_long_boundary", "smtp.mime_long_filename", "smtp.mime_malformed_msg",
        "smtp.mime_parse_failed"})
    EXPECT_FALSE(event(mixed(attachment("a.txt", "base64", "aGVsbG8=")), name)) << name;
}

TEST(Smtp, ANestedMessageIsReadWhateverItsEncoding) {
  Talk talk("smtp");
  send(talk, letter +
                 "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                 "Subject: inner\r\nContent-Disposition: attachment; filename=\"in.exe\"\r\n\r\n"
                 "payload");
  ASSERT_EQ(talk.files().size(), 1U);
  EXPECT_TRUE(talk.files()[0].starts_with("in.exe 7 closed")) << talk.files()[0];
}

TEST(Smtp, SameWhereverItIsCut) {
  expect_same_when_cut("smtp",
                       {{Dir::to_client, "220 x\r\n"},
                        {Dir::to_server, "EHLO a\r\n"},
                        {Dir::to_client, "250-x\r\n250 SIZE\r\n"},
                        {Dir::to_server, "MAIL FROM:<a@a>\r\n"},
                        {Dir::to_client, "250 ok\r\n"},
                        {Dir::to_server, "DATA\r\n"},
                        {Dir::to_client, "354 go\r\n"},
                        {Dir::to_server,
                         "Subject: a\r\n b\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n"
                         "--q\r\nContent-Disposition: attachment; filename=f.bin\r\n"
                         "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8g\r\nd29ybGQ=\r\n"
                         "--q\r\nContent-Type: text/plain\r\n\r\n..see http://a.example/\r\n"
                         "--q--\r\n.\r\n"},
                        {Dir::to_client, "250 ok\r\n"},
                        {Dir::to_server, "QUIT\r\n"},
                        {Dir::to_client, "221 bye\r\n"}});
}

}  // namespace
}  // namespace ww::sensor::test
