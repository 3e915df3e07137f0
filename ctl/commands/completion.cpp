/// `wardwatchctl completion bash|zsh|fish`: a script that asks `wardwatchctl __complete` for the
/// next words, so a new command completes without anybody editing the scripts.

#include <cstdio>

#include "ctl/commands/command.hpp"
#include "telemetry/command_line/command_line.hpp"

namespace ww::ctl {

std::vector<std::string> complete(cli::Command here, const std::vector<std::string>& words) {
  for (std::size_t i = 0; i + 1 < words.size(); ++i)
    for (const auto& sub : here.commands())
      if (sub.name() == words[i]) {
        here = sub;
        break;
      }
  const std::string prefix = words.empty() ? std::string() : words.back();
  std::vector<std::string> out;
  const auto offer = [&](const std::string& word) {
    if (word.starts_with(prefix)) out.push_back(word);
  };
  if (!prefix.starts_with("-"))
    for (const auto& sub : here.commands()) offer(sub.name());
  if (prefix.starts_with("-") || out.empty())
    for (const auto& option : here.long_options()) offer(option);
  std::sort(out.begin(), out.end());
  return out;
}

namespace {

constexpr const char* bash_script = R"(_wardwatchctl() {
  local IFS=$'\n'
  COMPREPLY=($(wardwatchctl __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _wardwatchctl wardwatchctl
)";
constexpr const char* zsh_script = R"(#compdef wardwatchctl
_wardwatchctl() {
  local -a candidates
  candidates=("${(@f)$(wardwatchctl __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$candidates" ]]; then compadd -- $candidates; else _files; fi
}
compdef _wardwatchctl wardwatchctl
)";
constexpr const char* fish_script =
    "complete -c wardwatchctl -a '(wardwatchctl __complete -- (commandline -opc)[2..-1] "
    "(commandline -ct) 2>/dev/null)'\n";

void setup(cli::Command group, Context&) {
  group.require_command();
  const auto script = [&](const char* name, const char* how, const char* text) {
    group.add_command(name, how).callback([text] { std::fputs(text, stdout); });
  };
  script("bash", "source <(wardwatchctl completion bash)", bash_script);
  script("zsh", "wardwatchctl completion zsh > ~/.zfunc/_wardwatchctl", zsh_script);
  script("fish", "wardwatchctl completion fish > ~/.config/fish/completions/wardwatchctl.fish",
         fish_script);
}

void setup_words(cli::Command group, Context&) {
  group.hide();
  auto words = std::make_shared<std::vector<std::string>>();
  group.add_option("words", *words);
  group.callback([words, group] {
    for (const auto& word : complete(group.top(), *words)) std::puts(word.c_str());
  });
}

const Registration registration{{"completion", "shell completion scripts", &setup}};
const Registration words_registration{{"__complete", "the words that may come next", &setup_words}};

}  // namespace
}  // namespace ww::ctl
