// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "spec/agree.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "crypto/hash.hpp"
#include "spec/agree_node.hpp"
#include "spec/agree_run.hpp"
#include "spec/agree_shrink.hpp"

namespace millrace::spec {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* usage_text =
    "usage: millrace-spec wasm-agree [--modules N] [--seed S] [--jobs N] [--node] [--keep FILE]\n"
    "                                [--out DIR] [--only FAMILY] [--compiler FILE] [--json]\n"
    "  Makes N modules (2000) from the seeds S (0), S + 1, ..., runs each in the interpreter and "
    "as\n"
    "  compiled code, and compares results, traps, fuel, memory, globals, tables and checkpoints.\n"
    "  --node   runs those that any engine must agree on in node as well\n"
    "  --keep   writes to FILE how far it is, and goes on from there when seed and programs are "
    "the\n"
    "           same\n"
    "  --only   of these seeds only the modules of a family: small, wide, integers, floats or "
    "loops\n"
    "  --out    where a module that differs is written, whole and made small (here)\n";

struct Options {
    std::uint64_t modules = 2'000;
    std::uint64_t seed = 0;
    unsigned jobs = 1;
    bool with_node = false;
    bool as_json = false;
    std::string keep;
    std::string out = ".";
    std::string only;
    std::string compiler;
    std::string programs;  ///< programs_hash, when something is kept
};

template <typename Number>
bool read_number(std::string_view text, Number& number) {
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
}

std::optional<Options> options_of(int argc, char** argv) {
    Options options;
    for (int index = 0; index < argc; ++index) {
        const std::string_view name = argv[index];
        if (name == "--node" || name == "--json") {
            (name == "--node" ? options.with_node : options.as_json) = true;
            continue;
        }
        if (++index == argc) return std::nullopt;
        const std::string_view value = argv[index];
        if (name == "--modules") {
            if (!read_number(value, options.modules)) return std::nullopt;
        } else if (name == "--seed") {
            if (!read_number(value, options.seed)) return std::nullopt;
        } else if (name == "--jobs") {
            if (!read_number(value, options.jobs)) return std::nullopt;
        } else if (name == "--keep") {
            options.keep = value;
        } else if (name == "--out") {
            options.out = value;
        } else if (name == "--only") {
            options.only = value;
        } else if (name == "--compiler") {
            options.compiler = value;
        } else {
            return std::nullopt;
        }
    }
    options.jobs = std::clamp(options.jobs, 1U, 256U);
    return options;
}

/// What a thread works on, for the one that watches and for the handler of its end.
constexpr std::uint64_t idle = ~0ULL;
thread_local std::uint64_t seed_here = idle;

/// Compiled code that does harm ends the process: with the seed, at least.
void on_fatal(int signal) {
    char text[128];
    const int size =
        std::snprintf(text, sizeof text, "\nDIFFERENCE seed %llu: the process ends by signal %d\n",
                      static_cast<unsigned long long>(seed_here), signal);
    (void)!write(STDOUT_FILENO, text, static_cast<std::size_t>(size));
    _exit(1);
}
void tell_seed_at_the_end() {
    struct sigaction action {};
    action.sa_handler = on_fatal;
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT})
        sigaction(signal, &action, nullptr);
}

struct Difference {
    std::uint64_t seed = 0;
    std::string family;
    std::string what;
    std::string files;  ///< where the module lies
};

struct Done {
    std::uint64_t seeds = 0;
    std::uint64_t modules = 0;  ///< fewer with --only
    std::map<std::string, std::uint64_t> families;
    AgreeCounts counts;
    std::vector<Difference> differences;
    double seconds = 0;

    void add(const Done& more) {
        seeds += more.seeds;
        modules += more.modules;
        for (const auto& [family, count] : more.families)
            families[family] += count;
        counts.add(more.counts);
        differences.insert(differences.end(), more.differences.begin(), more.differences.end());
    }
};

/// A thread's tools: a compiler process, and perhaps one of node.
class Worker {
  public:
    explicit Worker(const Options& options) : options_{options} {}

    void check(std::uint64_t seed, Done& done) {
        const AgreeSample sample = agree_sample(seed);
        ++done.seeds;
        if (!options_.only.empty() && options_.only != sample.family) return;
        ++done.modules;
        ++done.families[sample.family];
        const std::string what = compare(sample, seed, done.counts);
        if (what.empty()) return;
        std::fprintf(stderr, "difference at seed %llu (%s): %s\n  making it small...\n",
                     static_cast<unsigned long long>(seed), sample.family, what.c_str());
        Difference found{seed, sample.family, what, {}};
        found.files = write_down(sample, seed);
        done.differences.push_back(std::move(found));
    }

  private:
    Outcome<Bytes> compile(const Bytes& module) {
        if (!compiler_) {
            auto started = aot::CompilerService::start(options_.compiler);
            if (!started) return Err{started.error()};
            compiler_.emplace(std::move(started).value());
        }
        auto image = compiler_->compile(module);
        // It may be gone; the next module gets another.
        if (!image) compiler_.reset();
        return image;
    }

    /// Empty: all agree.
    std::string compare(const AgreeSample& sample, std::uint64_t seed, AgreeCounts& counts) {
        const auto image = compile(sample.module);
        if (!image) return "not compiled: " + image.error().text();
        const auto pair = AgreePair::load(sample, *image);
        if (!pair) return "not loaded: " + pair.error().text();
        std::string found = compare_tiers(sample, *pair, seed, counts);
        if (!found.empty() || !options_.with_node || !sample.is_portable) return found;
        if (!node_) node_.emplace();
        return node_->compare(sample, *pair, counts);
    }

    std::string write_down(const AgreeSample& sample, std::uint64_t seed) {
        const auto is_bad = [&](const Bytes& module) {
            AgreeSample changed = sample;
            changed.module = module;
            AgreeCounts ignored;
            return !compare(changed, seed, ignored).empty();
        };
        // Nothing to compare with: an error of the program that makes modules.
        const bool is_valid = wasm::Module::load(sample.module).has_value();
        const Shrunk small = shrink(sample.module, is_bad, is_valid ? 3'000 : 0);
        std::error_code error;
        fs::create_directories(options_.out, error);
        const fs::path whole = fs::path{options_.out} / ("agree-" + std::to_string(seed) + ".wasm");
        const fs::path reduced =
            fs::path{options_.out} / ("agree-" + std::to_string(seed) + "-small.wasm");
        for (const auto& [path, bytes] :
             {std::pair{&whole, &sample.module}, std::pair{&reduced, &small.module}}) {
            std::ofstream file{*path, std::ios::binary};
            file.write(reinterpret_cast<const char*>(bytes->data()),
                       static_cast<std::streamsize>(bytes->size()));
        }
        return whole.string() + "; " + reduced.string() + " (" + std::to_string(small.functions) +
               " functions, " + std::to_string(small.code_bytes) + " bytes of code)";
    }

    const Options& options_;
    std::optional<aot::CompilerService> compiler_;
    std::optional<NodeService> node_;
};

/// Threads that take seeds from one counter, a stretch at a time.
class Pool {
  public:
    explicit Pool(const Options& options) : working_(options.jobs), started_(options.jobs) {
        for (unsigned job = 0; job < options.jobs; ++job) {
            working_[job].store(idle);
            threads_.emplace_back([this, job, &options](const std::stop_token& stop) {
                Worker worker{options};
                work(worker, job, stop);
            });
        }
    }

    /// Seeds [first, end), to the last. False when one takes longer than any may.
    Done run(std::uint64_t first, std::uint64_t end) {
        std::unique_lock lock{mutex_};
        done_ = {};
        next_ = first;
        end_ = end;
        left_ = end - first;
        changed_.notify_all();
        while (!finished_.wait_for(lock, std::chrono::seconds{5}, [this] { return left_ == 0; })) {
            for (std::size_t job = 0; job < working_.size(); ++job) {
                const std::uint64_t seed = working_[job].load();
                if (seed == idle || Clock::now() - started_[job] < seconds_max) continue;
                std::printf("DIFFERENCE seed %llu: it does not come to an end\n",
                            static_cast<unsigned long long>(seed));
                std::fflush(stdout);
                _exit(1);
            }
        }
        return std::move(done_);
    }

  private:
    /// Making a difference small takes its time.
    static constexpr std::chrono::seconds seconds_max{600};

    void work(Worker& worker, unsigned job, const std::stop_token& stop) {
        for (;;) {
            std::uint64_t seed = 0;
            {
                std::unique_lock lock{mutex_};
                if (!changed_.wait(lock, stop, [this] { return next_ < end_; })) return;
                seed = next_++;
                started_[job] = Clock::now();
            }
            working_[job].store(seed);
            seed_here = seed;
            Done one;
            worker.check(seed, one);
            seed_here = idle;
            working_[job].store(idle);
            const std::lock_guard lock{mutex_};
            done_.add(one);
            if (--left_ == 0) finished_.notify_all();
        }
    }

    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::condition_variable finished_;
    std::uint64_t next_ = 0;
    std::uint64_t end_ = 0;
    std::uint64_t left_ = 0;
    Done done_;
    std::vector<std::atomic<std::uint64_t>> working_;
    std::vector<Clock::time_point> started_;
    std::vector<std::jthread> threads_;
};

/// Of this program and the compiler: another build starts anew.
std::string programs_hash(const Options& options) {
    const fs::path self = fs::read_symlink("/proc/self/exe");
    const fs::path beside = self.parent_path() / "../libexec/millrace-compile";
    Bytes hashes;
    for (const fs::path& path :
         {self, options.compiler.empty() ? beside : fs::path{options.compiler}}) {
        std::ifstream file{path, std::ios::binary};
        const std::string bytes{std::istreambuf_iterator<char>{file}, {}};
        const Hash32 hash = crypto::sha256(as_bytes(bytes));
        hashes.insert(hashes.end(), hash.view().begin(), hash.view().end());
    }
    return to_hex(crypto::sha256(hashes).view());
}

nlohmann::json to_json(const Options& options, const Done& done) {
    nlohmann::json differences = nlohmann::json::array();
    for (const Difference& found : done.differences)
        differences.push_back({{"seed", found.seed},
                               {"family", found.family},
                               {"what", found.what},
                               {"files", found.files}});
    return {{"suite", "wasm-agree"},
            {"programs", options.programs},
            {"seed", options.seed},
            {"seeds", done.seeds},
            {"modules", done.modules},
            {"families", done.families},
            {"seconds", done.seconds},
            {"runs", done.counts.runs},
            {"returned", done.counts.returned},
            {"trapped", done.counts.trapped},
            {"exited", done.counts.exited},
            {"out_of_fuel", done.counts.out_of_fuel},
            {"checkpoints", done.counts.checkpoints},
            {"node", done.counts.node},
            {"differences", std::move(differences)}};
}

/// Of an earlier part of the same run.
Done kept(const Options& options) {
    Done done;
    std::ifstream file{options.keep};
    if (options.keep.empty() || !file) return done;
    const auto object = nlohmann::json::parse(file, nullptr, false);
    if (object.is_discarded() || object.value("seed", idle) != options.seed ||
        object.value("programs", "") != options.programs)
        return done;
    done.seeds = object.value("seeds", std::uint64_t{0});
    done.modules = object.value("modules", std::uint64_t{0});
    done.families = object.value("families", done.families);
    done.seconds = object.value("seconds", 0.0);
    done.counts = {.runs = object.value("runs", std::uint64_t{0}),
                   .returned = object.value("returned", std::uint64_t{0}),
                   .trapped = object.value("trapped", std::uint64_t{0}),
                   .exited = object.value("exited", std::uint64_t{0}),
                   .out_of_fuel = object.value("out_of_fuel", std::uint64_t{0}),
                   .checkpoints = object.value("checkpoints", std::uint64_t{0}),
                   .node = object.value("node", std::uint64_t{0})};
    for (const auto& found : object.value("differences", nlohmann::json::array()))
        done.differences.push_back({found.value("seed", idle), found.value("family", ""),
                                    found.value("what", ""), found.value("files", "")});
    return done;
}
void keep(const Options& options, const Done& done) {
    if (options.keep.empty()) return;
    const std::string beside = options.keep + ".new";
    std::ofstream{beside} << to_json(options, done).dump(1) << '\n';
    std::error_code error;
    fs::rename(beside, options.keep, error);
}

void show(const Difference& found) {
    std::printf(
        "DIFFERENCE seed %llu (%s): %s\n  %s\n  again: millrace-spec wasm-agree --modules 1 "
        "--seed %llu\n",
        static_cast<unsigned long long>(found.seed), found.family.c_str(), found.what.c_str(),
        found.files.c_str(), static_cast<unsigned long long>(found.seed));
}

void show_totals(const Options& options, const Done& done) {
    const std::uint64_t end = options.seed + done.seeds;
    std::printf("seeds %llu to %llu, %.0f s, %.1f modules/s: ",
                static_cast<unsigned long long>(options.seed), static_cast<unsigned long long>(end),
                done.seconds, static_cast<double>(done.modules) / std::max(done.seconds, 0.001));
    for (const auto& [family, count] : done.families)
        std::printf("%llu %s, ", static_cast<unsigned long long>(count), family.c_str());
    const AgreeCounts& counts = done.counts;
    std::printf(
        "%llu runs in each tier (%llu returned, %llu trapped, %llu exited, %llu out of "
        "fuel), %llu checkpoints, %llu in node\n",
        static_cast<unsigned long long>(counts.runs),
        static_cast<unsigned long long>(counts.returned),
        static_cast<unsigned long long>(counts.trapped),
        static_cast<unsigned long long>(counts.exited),
        static_cast<unsigned long long>(counts.out_of_fuel),
        static_cast<unsigned long long>(counts.checkpoints),
        static_cast<unsigned long long>(counts.node));
    std::fflush(stdout);
}

}  // namespace

int run_agreement(int argc, char** argv) {
    constexpr std::uint64_t stretch = 512;
    constexpr std::size_t differences_max = 10;
    auto options = options_of(argc, argv);
    if (!options) {
        std::fputs(usage_text, stderr);
        return 2;
    }
    if (!options->keep.empty()) options->programs = programs_hash(*options);
    tell_seed_at_the_end();
    Done done = kept(*options);
    Pool pool{*options};
    double shown = done.seconds;
    while (done.seeds < options->modules && done.differences.size() < differences_max) {
        const auto begin = Clock::now();
        const std::uint64_t first = options->seed + done.seeds;
        const std::uint64_t count = std::min(stretch, options->modules - done.seeds);
        const Done more = pool.run(first, first + count);
        done.add(more);
        done.seconds += std::chrono::duration<double>(Clock::now() - begin).count();
        keep(*options, done);
        if (options->as_json) continue;
        for (const Difference& found : more.differences)
            show(found);
        if (done.seconds - shown < 10 && more.differences.empty()) continue;
        shown = done.seconds;
        show_totals(*options, done);
    }
    if (options->as_json) {
        std::printf("%s\n", to_json(*options, done).dump(1).c_str());
    } else {
        show_totals(*options, done);
        std::printf("%llu passed, %llu failed\n",
                    static_cast<unsigned long long>(done.modules - done.differences.size()),
                    static_cast<unsigned long long>(done.differences.size()));
    }
    return done.differences.empty() ? 0 : 1;
}

}  // namespace millrace::spec
