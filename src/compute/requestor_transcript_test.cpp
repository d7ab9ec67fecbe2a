// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// test/transcript/requestor_*.txt (base/transcript_testing.hpp).
//
//   provider 1 lies=even price=900      a provider that behaves so
//   announce                            registry and deposit reach the machine
//   submit render 2                     a job of 2 tasks
//   run 500                             lets 500 ms pass
//   disconnect 1 · crash · explain render [0]

#include <gtest/gtest.h>

#include <sstream>

#include "base/transcript_testing.hpp"
#include "compute/requestor_world.hpp"

namespace millrace::compute::requestor {
namespace {

class Scribe {
  public:
    Scribe() {
        world_.observer = [this](const Event& event, const Effects& effects) {
            record(event, effects);
        };
    }

    std::string carry_out(const std::string& line) {
        out_.clear();
        std::istringstream words{line};
        std::string verb;
        words >> verb;
        if (verb == "provider") provider(words);
        if (verb == "announce") world_.announce();
        if (verb == "crash") world_.crash();
        std::string name;
        std::uint64_t number = 0;
        if (verb == "submit" && words >> name >> number) {
            JobPlan plan = paper_plan(name, number);
            jobs_[plan.id] = name;
            world_.give(JobSubmitted{plan});
        }
        if (verb == "run" && words >> number)
            world_.run(Duration{static_cast<std::int64_t>(number)});
        if (verb == "disconnect" && words >> number) world_.disconnect(by_number_.at(number));
        if (verb == "explain" && words >> name) {
            std::optional<std::uint64_t> task;
            if (words >> number) task = number;
            out_ += with_names(world_.machine().explain(paper_hash(name), task, world_.now()));
        }
        return out_;
    }

  private:
    void provider(std::istringstream& words) {
        std::uint64_t number = 0;
        words >> number;
        Manner manner;
        std::uint64_t price = 1000;
        std::string option;
        while (words >> option) {
            if (option == "lies=all") manner.lies = [](std::uint64_t) { return true; };
            if (option == "lies=even")
                manner.lies = [](std::uint64_t index) { return index % 2 == 0; };
            if (option == "hangs=all") manner.hangs = [](std::uint64_t) { return true; };
            if (option == "refuses=module") manner.refuses = types::LeaseRefusal::module_refused;
            if (option.starts_with("price=")) price = std::stoull(option.substr(6));
            if (option.starts_with("time="))
                manner.task_time = Duration{std::stoll(option.substr(5))};
        }
        const Address address = world_.add_provider(number, manner, price);
        by_number_[number] = address;
        names_[address] = "P" + std::to_string(number);
    }

    std::string with_names(std::string text) const {
        for (const auto& [address, name] : names_) {
            const std::string hex = to_hex0x(ByteView{address.bytes}.first(4)) + "…";
            for (std::size_t at = text.find(hex); at != std::string::npos; at = text.find(hex))
                text.replace(at, hex.size(), name);
        }
        return text;
    }
    std::string name(const Address& address) const {
        const auto found = names_.find(address);
        return found == names_.end() ? std::string{"?"} : found->second;
    }
    std::string lease(const Hash32& id) const {
        const auto found = leases_.find(id);
        return found == leases_.end() ? std::string{"unknown lease"} : found->second;
    }

    std::string text(const types::Message& message) {
        return std::visit(
            Overload{
                [&](const types::LeaseOffer& offer) {
                    leases_[offer.lease.id()] = "task " + std::to_string(offer.task.index) + "/" +
                                                std::to_string(offer.lease.replica);
                    return "LeaseOffer " + lease(offer.lease.id());
                },
                [&](const types::LeaseAnswer& answer) {
                    return "LeaseAnswer " + lease(answer.lease) +
                           (answer.refusal ? " refused" : " accepted");
                },
                [&](const types::CommitmentNotice& notice) {
                    return "Commitment " + lease(notice.commitment.lease);
                },
                [&](const types::RevealRequest& request) {
                    return "RevealRequest " + lease(request.lease) + ", " +
                           std::to_string(request.commitments.size()) + " commitments";
                },
                [&](const types::ReceiptNotice& notice) {
                    return "Receipt " + lease(notice.receipt.lease) + " says " +
                           to_hex(ByteView{notice.receipt.result_id.bytes}.first(3)) + ", fuel " +
                           std::to_string(notice.receipt.fuel.value);
                },
                [&](const types::Verdict& verdict) {
                    static const std::vector<std::string> kinds{"", "accepted", "contradicted",
                                                                "cancelled", "late"};
                    return "Verdict " + lease(verdict.lease) + " " +
                           kinds.at(static_cast<std::size_t>(verdict.kind));
                },
                [&](const types::VoucherNotice& notice) {
                    return "Voucher " + to_decimal(notice.voucher.cumulative.wei) + " wei for " +
                           std::to_string(notice.voucher.tasks) + " tasks";
                },
                [&](const types::VoucherAck& ack) {
                    return "VoucherAck " + to_decimal(ack.cumulative.wei) + " wei";
                },
                [&](const auto& other) {
                    return std::string{types::message_name(types::Message{other})};
                },
            },
            message);
    }

    std::string text(const Event& event) {
        return std::visit(
            Overload{
                [&](const JobSubmitted& e) {
                    return "submitted " + e.plan.name + ", " + std::to_string(e.plan.task_count()) +
                           " tasks";
                },
                [&](const JobCancelled& e) { return "cancelled " + jobs_[e.job]; },
                [&](const JobForgotten& e) { return "forgotten " + jobs_[e.job]; },
                [&](const ProvidersUpdated& e) {
                    return "registry lists " + std::to_string(e.providers.size()) + " providers";
                },
                [&](const PeerUp& e) { return name(e.provider) + " is up"; },
                [&](const PeerDown& e) { return name(e.provider) + " is down: " + e.why; },
                [&](const MessageReceived& e) { return name(e.provider) + ": " + text(e.message); },
                [&](const BlobFetched& e) {
                    return name(e.provider) + (e.ok ? ": blob of task " : ": no blob of task ") +
                           std::to_string(e.index);
                },
                [&](const DepositUpdated& e) {
                    return "deposit has " + to_decimal(e.free.wei) + " wei free";
                },
                [&](const AllocationUpdated& e) {
                    static const std::vector<std::string> states{"",       "planned",   "sent",
                                                                 "latest", "finalized", "failed"};
                    return "allocation " + std::to_string(e.allocation) + " is " +
                           states.at(static_cast<std::size_t>(e.status));
                },
                [&](const ContradictionReported& e) {
                    return std::string{e.ok ? "contradiction is on chain" : "report failed"};
                },
                [&](const AllocationReleased&) { return std::string{"released"}; },
                [&](const TimerFired&) { return std::string{"timer"}; },
            },
            event);
    }

    void record(const Event& event, const Effects& effects) {
        const std::string what = text(event);
        std::map<std::string, int> rows;
        std::string lines;
        for (const Effect& effect : effects)
            lines += text(effect, rows);
        if (effects.empty() && std::holds_alternative<TimerFired>(event)) return;
        out_ += "+" + std::to_string((world_.now() - start_).count()) + " ms  " + what + "\n";
        if (!rows.empty()) {
            out_ += "    persist";
            for (const auto& [table, count] : rows)
                out_ += " " + table + (count > 1 ? "×" + std::to_string(count) : std::string{});
            out_ += "\n";
        }
        out_ += lines;
    }

    std::string text(const Effect& effect, std::map<std::string, int>& rows) {
        return std::visit(
            Overload{
                [&](const Persist& e) {
                    ++rows[e.record.table];
                    return std::string{};
                },
                [&](const Erase& e) {
                    ++rows["-" + e.table];
                    return std::string{};
                },
                [&](const Connect& e) { return "    connect " + name(e.provider) + "\n"; },
                [&](const Disconnect& e) { return "    disconnect " + name(e.provider) + "\n"; },
                [&](const Send& e) {
                    return "    to " + name(e.provider) + ": " + text(e.message) + "\n";
                },
                [&](const FetchBlob& e) {
                    return "    fetch from " + name(e.provider) + ": task " +
                           std::to_string(e.index) + " " +
                           (e.purpose == BlobPurpose::output_file       ? e.path
                            : e.purpose == BlobPurpose::standard_output ? std::string{"stdout"}
                                                                        : std::string{"stderr"}) +
                           "\n";
                },
                [&](const Allocate& e) {
                    std::string line = "    allocate " + std::to_string(e.allocation) + ":";
                    for (const AllocationLeaf& leaf : e.leaves)
                        line += " " + name(leaf.payee) + "=" + to_decimal(leaf.cap.wei);
                    return line + "\n";
                },
                [&](const ReleaseAllocation& e) {
                    return "    release " + std::to_string(e.allocation) + "\n";
                },
                [&](const ReportContradiction& e) {
                    return "    report " + name(e.evidence.wrong.lease.provider) + " against " +
                           name(e.evidence.right_first.lease.provider) + " and " +
                           name(e.evidence.right_second.lease.provider) + "\n";
                },
                [&](const TaskDone& e) {
                    return "    done: task " + std::to_string(e.index) + "\n";
                },
                [&](const JobDone& e) {
                    return "    job " + jobs_[e.job] + " ended" +
                           (e.why ? ": " + e.why->text() : std::string{}) + "\n";
                },
                [&](const Note& e) { return "    note: " + with_names(e.text) + "\n"; },
            },
            effect);
    }

    PaperWorld world_;
    Instant start_ = world_.now();
    std::string out_;
    std::map<std::uint64_t, Address> by_number_;
    std::map<Address, std::string> names_;
    std::map<Hash32, std::string> jobs_;
    std::map<Hash32, std::string> leases_;
};

TEST(RequestorTranscript, is_as_written) {
    expect_transcripts<Scribe>("requestor_");
}

}  // namespace
}  // namespace millrace::compute::requestor
