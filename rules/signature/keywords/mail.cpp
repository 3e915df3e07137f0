/// SMTP and the mail it carries.
#include "rules/signature/keyword.hpp"

namespace ww::sig {
namespace {

const BufferRegistration smtp_buffers{
    "mail",
    "smtp",
    {
        {"smtp.helo", "name of HELO or EHLO", "content:\"example\";"},
        {"smtp.mail_from", "address of MAIL FROM", "content:\"@example.org\";"},
        {"smtp.rcpt_to", "each address of RCPT TO", "content:\"@example.org\";", {}, "", true},
        {"email.from", "From", "content:\"@example.org\";"},
        {"email.to", "To", "content:\"@example.org\";"},
        {"email.cc", "Cc", "content:\"@example.org\";"},
        {"email.subject", "Subject", "content:\"invoice\"; nocase;"},
        {"email.date", "Date", "content:\"2026\";"},
        {"email.message_id", "Message-ID", "content:\"@example\";"},
        {"email.x_mailer", "X-Mailer", "content:\"Outlook\";"},
        {"email.url", "each URL in the body", "content:\"http\";", {}, "", true},
        {"email.received", "each Received", "content:\"from\";", {}, "", true},
        {"email.body_md5", "MD5 of the body in hexadecimal",
         "content:\"ed00c81b85fa455d60e19f1230977134\";"},
    }};

}  // namespace
}  // namespace ww::sig
