// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "bench/node_command.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench/report.hpp"
#include "io/event_loop.hpp"
#include "io/files.hpp"
#include "io/process.hpp"
#include "io/temporary_folder.hpp"

namespace millrace::bench {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::size_t side_count = 2;
/// Room for the block of batched transfers, whatever --transfers says.
constexpr std::uint64_t gas_limit = 4'000'000'000;

/// One of the two sides while it is measured. `load` belongs to the measuring thread.
struct Contestant {
    std::string name;
    std::string url;
    std::string absent;
    std::string version;
    Figures figures{};
};
using Contestants = std::array<Contestant, side_count>;

/// One run: starts what has no URL, each anew, for what earlier runs have left makes anvil's blocks
/// slower. Measures on a thread of its own, while this thread keeps the children.
class Contest {
  public:
    Contest(const NodeOptions& options, std::size_t first);
    Contestants hold();

  private:
    void on_ready(const std::string& name, const std::string& ready);
    void settle(const std::string& name, const std::string& absent);
    void measure();
    void measure_once(Contestant& contestant);

    const NodeOptions& options_;
    const std::size_t first_;
    io::TemporaryFolder folder_;
    io::EventLoop loop_;
    Contestants sides_;
    std::size_t awaited_ = 0;
    std::thread measuring_;
};

io::ChildSpec ours_spec(const NodeOptions& options, const io::TemporaryFolder& folder) {
    io::ChildSpec spec;
    spec.command = {options.ours_program,
                    "node",
                    "--dev",
                    "--home",
                    folder / "ours",
                    "--rpc",
                    "127.0.0.1:0",
                    "--blocks",
                    "instant",
                    "--gas-limit",
                    std::to_string(gas_limit)};
    spec.ready_by = io::ReadyBy::descriptor;
    return spec;
}

io::ChildSpec peer_spec(const NodeOptions& options) {
    io::ChildSpec spec;
    spec.command = {options.peer_program,     "--host", "127.0.0.1", "--port", "0", "--gas-limit",
                    std::to_string(gas_limit)};
    spec.ready_by = io::ReadyBy::output_line;
    spec.ready_text = "Listening on ";
    return spec;
}

/// From {"rpc":"http://..."} or "Listening on 127.0.0.1:40000".
std::string url_from(const std::string& ready) {
    const Json json = Json::parse(ready, nullptr, false);
    if (json.is_object()) return json.value("rpc", "");
    const std::size_t at = ready.find("127.0.0.1:");
    return at == std::string::npos ? "" : "http://" + ready.substr(at);
}

Contest::Contest(const NodeOptions& options, std::size_t first) : options_{options}, first_{first} {
    sides_[0].name = "ours";
    sides_[0].url = options.ours_url;
    sides_[1].name = "anvil";
    sides_[1].url = options.peer_url;
}

Contestants Contest::hold() {
    io::Supervisor supervisor{
        loop_,
        {.on_ready = [this](const std::string& name,
                            const std::string& ready) { on_ready(name, ready); },
         .on_exit = {},
         .on_failed = [this](const std::string& name,
                             const Failure& why) { settle(name, why.text()); }}};
    const auto begin = [&](std::size_t side, io::ChildSpec spec) {
        spec.name = sides_[side].name;
        spec.log_file = folder_ / (spec.name + ".log");
        spec.restart.restarts_max = 0;
        ++awaited_;
        const auto started = supervisor.start(std::move(spec));
        if (!started) {
            loop_.post(
                [this, side, why = started.error().text()] { settle(sides_[side].name, why); });
        }
    };
    ++awaited_;
    if (sides_[0].url.empty()) begin(0, ours_spec(options_, folder_));
    if (sides_[1].url.empty()) begin(1, peer_spec(options_));
    loop_.post([this] { settle("", ""); });
    loop_.run();
    measuring_.join();
    supervisor.stop_all([this] { loop_.stop(); });
    loop_.run();
    return std::move(sides_);
}

void Contest::on_ready(const std::string& name, const std::string& ready) {
    for (Contestant& side : sides_) {
        if (side.name == name) side.url = url_from(ready);
    }
    settle(name, "");
}

/// One thing less to wait for; the measuring begins after the last.
void Contest::settle(const std::string& name, const std::string& absent) {
    for (Contestant& side : sides_) {
        if (side.name == name && !absent.empty()) side.absent = "not reachable: " + absent;
    }
    if (awaited_ == 0) return;
    --awaited_;
    if (awaited_ > 0) return;
    measuring_ = std::thread{[this] {
        measure();
        loop_.stop();
    }};
}

void Contest::measure() {
    measure_once(sides_[first_]);
    measure_once(sides_[(first_ + 1) % side_count]);
}

void Contest::measure_once(Contestant& contestant) {
    if (!contestant.absent.empty()) return;
    const auto load = NodeLoad::prepare(contestant.url, options_.size);
    if (!load) {
        contestant.absent = load.error().text();
        return;
    }
    contestant.version = (*load)->version();
    const auto figures = (*load)->measure();
    if (figures) {
        contestant.figures = *figures;
    } else {
        contestant.absent = figures.error().text();
    }
}

std::string value_text(const NodeReport::Side& side, Figure figure) {
    if (!side.absent.empty()) return "-";
    const double value = side.figures[static_cast<std::size_t>(figure)];
    return fmt::format("{:.{}f} {}", value, value < 1000 ? 1 : 0, meaning(figure).unit);
}

bool both(const NodeReport& report) {
    return report.ours.absent.empty() && report.peer.absent.empty();
}

std::vector<std::array<std::string, 4>> grid(const NodeReport& report) {
    std::vector<std::array<std::string, 4>> lines;
    lines.push_back({"", "ours", "anvil", "better by"});
    for (std::size_t i = 0; i < figure_count; ++i) {
        const auto figure = static_cast<Figure>(i);
        lines.push_back({meaning(figure).text, value_text(report.ours, figure),
                         value_text(report.peer, figure),
                         both(report) ? fmt::format("{:.2f}x", advantage(report, figure)) : "-"});
    }
    return lines;
}

std::string footer(const NodeReport& report) {
    std::string text = fmt::format(
        "Medians of {} runs in turns; {} calls, {} loops, {} transfers one by one, {} transfers in "
        "batches of {}.\n",
        report.run_count, report.size.calls, report.size.loops, report.size.singles,
        report.size.transfers, report.size.batch);
    for (const auto* side : {&report.ours, &report.peer}) {
        const char* name = side == &report.ours ? "ours" : "anvil";
        text += side->absent.empty() ? fmt::format("{}: {}\n", name, side->version)
                                     : fmt::format("{}: {}\n", name, side->absent);
    }
    return text;
}

}  // namespace

std::string find_anvil() {
    std::error_code error;
    for (fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
         folder.has_relative_path(); folder = folder.parent_path()) {
        const fs::path candidate = folder / "contracts/node_modules/.bin/anvil";
        if (access(candidate.c_str(), X_OK) == 0) return candidate.string();
    }
    return "anvil";
}

Outcome<NodeReport> measure_nodes(const NodeOptions& options) {
    NodeReport report;
    report.run_count = options.run_count;
    report.size = options.size;
    const std::array<NodeReport::Side*, side_count> sides = {&report.ours, &report.peer};
    std::array<std::array<std::vector<double>, figure_count>, side_count> values;
    for (int run = 0; run < options.run_count; ++run) {
        // Who goes first changes, so that a machine that grows slower favours nobody.
        const Contestants run_of = Contest{options, static_cast<std::size_t>(run) % 2}.hold();
        for (std::size_t side = 0; side < side_count; ++side) {
            if (!run_of[side].absent.empty()) sides[side]->absent = run_of[side].absent;
            if (!run_of[side].version.empty()) sides[side]->version = run_of[side].version;
            for (std::size_t i = 0; i < figure_count; ++i)
                values[side][i].push_back(run_of[side].figures[i]);
        }
        if (!report.ours.absent.empty() && !report.peer.absent.empty()) {
            return Err{
                Failure{"neither node can be measured: ours: " + report.ours.absent +
                            "; anvil: " + report.peer.absent,
                        "", "build millrace and run tools/install.sh, or give --ours and --peer"}};
        }
    }
    for (std::size_t side = 0; side < side_count; ++side) {
        for (std::size_t i = 0; i < figure_count; ++i)
            sides[side]->figures[i] = median(values[side][i]);
    }
    return report;
}

double advantage(const NodeReport& report, Figure figure) {
    const double ours = report.ours.figures[static_cast<std::size_t>(figure)];
    const double peer = report.peer.figures[static_cast<std::size_t>(figure)];
    return meaning(figure).more_is_better ? ours / peer : peer / ours;
}

std::string to_table(const NodeReport& report) {
    const auto lines = grid(report);
    std::array<std::size_t, 4> widths{};
    for (const auto& line : lines) {
        for (std::size_t i = 0; i < line.size(); ++i)
            widths[i] = std::max(widths[i], line[i].size());
    }
    std::string text;
    for (const auto& line : lines) {
        text += fmt::format("{:<{}}  {:>{}}  {:>{}}  {:>{}}\n", line[0], widths[0], line[1],
                            widths[1], line[2], widths[2], line[3], widths[3]);
    }
    return text + footer(report);
}

std::string to_markdown(const NodeReport& report) {
    std::string text;
    for (const auto& line : grid(report)) {
        text += fmt::format("| {} | {} | {} | {} |\n", line[0], line[1], line[2], line[3]);
        if (line[1] == "ours") text += "|---|---:|---:|---:|\n";
    }
    return text + "\n" + footer(report);
}

std::string to_json(const NodeReport& report) {
    nlohmann::ordered_json json{{"runs", report.run_count}};
    for (const auto* side : {&report.ours, &report.peer}) {
        auto& place = json[side == &report.ours ? "ours" : "anvil"];
        if (!side->absent.empty()) {
            place["absent"] = side->absent;
            continue;
        }
        place["version"] = side->version;
        for (std::size_t i = 0; i < figure_count; ++i)
            place[meaning(static_cast<Figure>(i)).key] = side->figures[i];
    }
    if (both(report)) {
        for (std::size_t i = 0; i < figure_count; ++i) {
            const auto figure = static_cast<Figure>(i);
            json["better_by"][meaning(figure).key] = advantage(report, figure);
        }
    }
    return json.dump(2) + "\n";
}

}  // namespace millrace::bench
