// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// What a node tells machines that watch it: /health, /metrics (the text format of Prometheus,
// version 0.0.4) and the status that `millrace node status` prints.

#include <sys/resource.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "daemon/node_daemon.hpp"
#include "io/files.hpp"

namespace millrace::daemon {

using Json = nlohmann::json;

namespace {

/// Bytes of this process in memory now; 0 where /proc does not tell.
std::uint64_t resident_size() {
    const auto text = io::read_text_file("/proc/self/statm", 256);
    if (!text) return 0;
    const auto space = text->find(' ');
    if (space == std::string::npos) return 0;
    const std::uint64_t pages = std::strtoull(text->c_str() + space, nullptr, 10);
    return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

class MetricsText {
  public:
    void add(std::string_view name, std::string_view type, std::string_view help,
             std::uint64_t value) {
        begin(name, type, help);
        text_ += std::string{name} + " " + std::to_string(value) + "\n";
    }
    void begin(std::string_view name, std::string_view type, std::string_view help) {
        text_ += "# HELP " + std::string{name} + " " + std::string{help} + "\n# TYPE " +
                 std::string{name} + " " + std::string{type} + "\n";
    }
    void labelled(std::string_view name, std::string_view label, std::string_view of,
                  std::uint64_t value) {
        text_ += std::string{name} + "{" + std::string{label} + "=\"" + std::string{of} + "\"} " +
                 std::to_string(value) + "\n";
    }
    [[nodiscard]] std::string take() && { return std::move(text_); }

  private:
    std::string text_;
};

}  // namespace

std::string NodeDaemon::status_json() const {
    const auto chain = view();
    const auto& head = chain->head();
    const auto pool = pool_status();
    const auto rpc = server_->metrics();
    return Json{
        {"network", options_.genesis.network},
        {"development", development()},
        {"chain_id", options_.genesis.config.chain_id},
        {"genesis", to_hex0x(chain->genesis_hash().view())},
        {"height", head.header.number},
        {"head", to_hex0x(head.hash.view())},
        {"state_root", to_hex0x(head.header.state_root.view())},
        {"timestamp", head.header.timestamp},
        {"base_fee", head.header.base_fee ? to_decimal(*head.header.base_fee) : "0"},
        {"pool", {{"pending", pool.pending}, {"queued", pool.queued}, {"bytes", pool.bytes}}},
        {"rpc",
         {{"endpoint", server_->endpoint()},
          {"connections", rpc.connections_open},
          {"requests", rpc.requests},
          {"refused", rpc.refused}}},
        {"resident_bytes", resident_size()},
        {"version", options_.version}}
        .dump();
}

rpc::Handler::Page NodeDaemon::page(std::string_view path) {
    if (path == "/health") {
        // Whoever can read the head can be asked; a node that cannot write stops.
        const auto chain = view();
        return {200, "application/json",
                Json{{"status", "ok"}, {"height", chain->head().header.number}}.dump() + "\n"};
    }
    if (path == "/status") return {200, "application/json", status_json() + "\n"};
    if (path == "/metrics") {
        const auto chain = view();
        const auto& header = chain->head().header;
        const auto pool = pool_status();
        const auto rpc = server_->metrics();
        MetricsText text;
        text.add("millrace_head_height", "gauge", "Height of the newest block.", header.number);
        text.add("millrace_head_timestamp_seconds", "gauge", "Timestamp of the newest block.",
                 header.timestamp);
        text.add("millrace_head_gas_used", "gauge", "Gas of the newest block.", header.gas_used);
        text.add("millrace_pool_pending", "gauge", "Transactions that could be in a block.",
                 pool.pending);
        text.add("millrace_pool_queued", "gauge", "Transactions that wait for an earlier nonce.",
                 pool.queued);
        text.add("millrace_pool_bytes", "gauge", "Size of all waiting transactions.", pool.bytes);
        text.add("millrace_rpc_connections_total", "counter", "Connections taken.",
                 rpc.connections);
        text.add("millrace_rpc_connections_open", "gauge", "Connections open now.",
                 rpc.connections_open);
        text.add("millrace_rpc_requests_total", "counter", "Requests carried.", rpc.requests);
        text.add("millrace_rpc_refused_total", "counter", "Requests refused by a limit.",
                 rpc.refused);
        text.add("millrace_rpc_received_bytes_total", "counter", "Bytes received.", rpc.bytes_in);
        text.add("millrace_rpc_sent_bytes_total", "counter", "Bytes sent.", rpc.bytes_out);
        text.add("millrace_resident_bytes", "gauge", "Memory of the process.", resident_size());
        text.begin("millrace_rpc_calls_total", "counter", "Calls by method, and errors by code.");
        for (const auto& [name, count] : api_->counters()) {
            text.labelled("millrace_rpc_calls_total", "name", name, count);
        }
        return {200, "text/plain; version=0.0.4", std::move(text).take()};
    }
    return {404, "text/plain", "there are /health, /status, /metrics, and JSON-RPC by POST\n"};
}

}  // namespace millrace::daemon
