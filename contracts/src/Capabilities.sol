// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
pragma solidity 0.8.37;

/// @title Capabilities: what this deployment offers, for agents that settle on any EVM chain
/// @notice A zero address means "absent here": without a beacon there are no draws, without a replay judge no
/// slashing by replay, without a ticket ledger no tickets; the confidence that agents quote says so.
contract Capabilities {
    /// @notice Everything in one answer. The constructor takes the same struct; `version` must be VERSION.
    struct All {
        uint32 version;
        bytes32 network;
        address providers;
        address deposits;
        address jobs;
        address disputes;
        address beacon;
        address replayJudge;
        address ticketLedger;
        address blobLane;
    }

    /// @notice Version of this interface. An agent refuses a newer one than it knows.
    uint32 public constant VERSION = 1;

    /// @notice The genesis hash, the salt of every signature.
    bytes32 public immutable network;
    address public immutable providers;
    address public immutable deposits;
    address public immutable jobs;
    /// @notice Bisection disputes.
    address public immutable disputes;
    /// @notice Public randomness for draws in the open lane.
    address public immutable beacon;
    /// @notice Runs a disputed segment; an answer that is not 32 bytes means "unsupported".
    address public immutable replayJudge;
    /// @notice Turns settled work into voting power.
    address public immutable ticketLedger;
    /// @notice Where blobs are published for challenges.
    address public immutable blobLane;

    error VersionUnknown(uint32 version);
    error ZeroAddress();

    constructor(All memory parts) {
        if (parts.version != VERSION) revert VersionUnknown(parts.version);
        if (parts.providers == address(0) || parts.deposits == address(0) || parts.jobs == address(0)) {
            revert ZeroAddress();
        }
        network = parts.network;
        providers = parts.providers;
        deposits = parts.deposits;
        jobs = parts.jobs;
        disputes = parts.disputes;
        beacon = parts.beacon;
        replayJudge = parts.replayJudge;
        ticketLedger = parts.ticketLedger;
        blobLane = parts.blobLane;
    }

    function version() external pure returns (uint32) {
        return VERSION;
    }

    function all() external view returns (All memory) {
        return All({
            version: VERSION,
            network: network,
            providers: providers,
            deposits: deposits,
            jobs: jobs,
            disputes: disputes,
            beacon: beacon,
            replayJudge: replayJudge,
            ticketLedger: ticketLedger,
            blobLane: blobLane
        });
    }
}
