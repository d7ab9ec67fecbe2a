// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "spec/agree_node.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string_view>

#include "crypto/hash.hpp"
#include "wasm/code_writer.hpp"

namespace millrace::spec {

using wasm::CodeWriter;
namespace {

/// Reads frames: u32 length; u32 runs, each two i64; the module. Answers with one line.
constexpr const char* script = R"(
const crypto = require('crypto'), fs = require('fs');
function read(size) {
  const buffer = Buffer.alloc(size);
  for (let at = 0; at < size;) {
    const count = fs.readSync(0, buffer, at, size - at);
    if (count === 0) process.exit(0);
    at += count;
  }
  return buffer;
}
const traps = [
  [/unreachable/, 'unreachable'],
  [/memory access out of bounds|data segment/, 'memory'],
  [/signature mismatch|null function|dereferencing a null/, 'indirect'],
  [/divide by zero|remainder by zero/, 'zero'],
  [/unrepresentable/, 'number'],
  [/table (index|access|entry)|element segment/, 'table'],
];
const host = (what, value) =>
  BigInt.asIntN(64, (value ^ BigInt(what)) * 0x9e3779b97f4a7c15n);
for (;;) {
  const size = read(4).readUInt32LE(0);
  const frame = read(size);
  const runs = frame.readUInt32LE(0);
  const parts = [];
  let module;
  try { module = new WebAssembly.Module(frame.subarray(4 + 16 * runs)); }
  catch (error) { parts.push('invalid: ' + error.message); }
  for (let run = 0; module && run < runs; ++run) {
    const args = [frame.readBigInt64LE(4 + 16 * run), frame.readBigInt64LE(12 + 16 * run)];
    let end = 'start ', instance;
    try {
      instance = new WebAssembly.Instance(module, {env: {host}});
      end = '';
      const result = instance.exports.f(...args);
      end = 'returned ' + BigInt.asUintN(64, result);
    } catch (error) {
      const known = traps.find(([pattern]) => pattern.test(error.message));
      end += known ? known[1] : error.constructor.name + ': ' + error.message;
    }
    if (instance) {
      const memory = new Uint8Array(instance.exports.m.buffer);
      end += ' ' + crypto.createHash('sha256').update(memory).digest('hex');
    }
    parts.push(end);
  }
  fs.writeSync(1, parts.join('; ').replace(/\n/g, ' ') + '\n');
}
)";

/// The script's word for a trap; empty for those that are ours alone.
std::string_view word_of(std::string_view outcome) {
    constexpr std::pair<std::string_view, std::string_view> words[] = {
        {"unreachable", "unreachable"},
        {"out of bounds memory access", "memory"},
        {"out of bounds table access", "table"},
        {"undefined element", "table"},
        {"uninitialized element", "indirect"},
        {"indirect call type mismatch", "indirect"},
        {"integer divide by zero", "zero"},
        // V8 says of a NaN what it says of a float that is too large.
        {"integer overflow", "number"},
        {"invalid conversion to integer", "number"},
    };
    for (const auto& [text, word] : words) {
        if (outcome.substr(6).starts_with(text)) return word;
    }
    return {};
}

/// What node should say of a run; empty when it need not be asked.
std::string expected(const AgreeShown& shown) {
    constexpr std::string_view returned = "returned (i64:";
    std::string text;
    if (shown.outcome.starts_with(returned)) {
        text = "returned " +
               shown.outcome.substr(returned.size(), shown.outcome.size() - returned.size() - 1);
    } else if (shown.outcome.starts_with("trap: ")) {
        const std::string_view word = word_of(shown.outcome);
        if (word.empty()) return {};
        if (shown.memory.empty()) return "start " + std::string{word};
        text = word;
    } else {
        return {};
    }
    constexpr std::string_view digits = "0123456789abcdef";
    text += ' ';
    const Hash32 hash = crypto::sha256(shown.memory);
    for (const std::uint8_t byte : hash.view()) {
        text += digits[byte >> 4U];
        text += digits[byte & 15U];
    }
    return text;
}

}  // namespace

NodeService::NodeService() {
    int to[2];
    int from[2];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) return;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], 0);
    posix_spawn_file_actions_adddup2(&actions, from[1], 1);
    std::string name = "node";
    std::string flag = "-e";
    std::string text = script;
    char* const arguments[] = {name.data(), flag.data(), text.data(), nullptr};
    if (posix_spawnp(&pid_, "node", &actions, nullptr, arguments, environ) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    close(to[0]);
    close(from[1]);
    to_ = fdopen(to[1], "wb");
    from_ = fdopen(from[0], "rb");
}

NodeService::~NodeService() {
    if (to_ != nullptr) std::fclose(to_);
    if (from_ != nullptr) std::fclose(from_);
    if (pid_ > 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
}

bool NodeService::ask(const Bytes& question, std::string& answer) {
    if (pid_ < 0 || to_ == nullptr || from_ == nullptr) return false;
    if (std::fwrite(question.data(), question.size(), 1, to_) != 1) return false;
    if (std::fflush(to_) != 0) return false;
    for (int letter = 0; (letter = std::fgetc(from_)) != '\n';) {
        if (letter == EOF) return false;
        answer += static_cast<char>(letter);
    }
    return true;
}

std::string NodeService::compare(const AgreeSample& sample, const AgreePair& pair,
                                 AgreeCounts& counts) {
    CodeWriter runs;
    std::string wanted;
    std::uint32_t count = 0;
    for (std::size_t index = 0; index < sample.arguments.size(); ++index) {
        const std::string one = expected(pair.run(false, {index, sample.fuel, 0}));
        if (one.empty()) continue;
        if (count++ > 0) wanted += "; ";
        wanted += one;
        for (const wasm::Value& value : sample.arguments[index])
            runs.word(value.bits, 8);
    }
    if (count == 0) return {};
    CodeWriter question;
    question.word(4 + runs.bytes().size() + sample.module.size(), 4);
    question.word(count, 4);
    question.put(runs.bytes());
    question.put(sample.module);
    std::string answer;
    if (!ask(question.bytes(), answer)) return "node does not answer (is it installed?)";
    ++counts.node;
    return answer == wanted ? "" : "interpreted: " + wanted + "; node: " + answer;
}

}  // namespace millrace::spec
