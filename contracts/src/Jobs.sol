// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
pragma solidity 0.8.37;

import {IProviders} from "./IProviders.sol";
import {MillraceDomain} from "./MillraceDomain.sol";

/// @title Jobs: posted jobs, the types agents sign, and evidence of contradicting results
/// @notice Leases, commitments and receipts are signed off chain with this contract as the verifying
/// contract; they reach it only as evidence. Three receipts of one task, of which two agree and one does not,
/// count a contradiction against the provider of the third.
///
/// What this majority rule cannot prove: that the two are right. Two colluding providers and a colluding
/// requestor can outvote an honest third, and registering three providers is cheap. So a contradiction costs
/// record (streak and score), never stake, and readers judge it by who reported it. The replay judge, which
/// runs the disputed step on chain, replaces the majority when it exists (Capabilities.replayJudge).
contract Jobs is MillraceDomain {
    /// @notice The requestor's order to one provider to run one replica of one task. Its identity, the
    /// *lease id*, is its EIP-712 struct hash. `price` is wei per 10^9 fuel, `deadline` is Unix seconds.
    struct Lease {
        bytes32 job;
        bytes32 task;
        uint32 replica;
        address requestor;
        address provider;
        uint64 fuelLimit;
        uint256 price;
        uint64 deadline;
    }

    /// @notice A provider's binding to a result before anyone reveals one.
    struct Commitment {
        bytes32 lease;
        bytes32 commitment;
    }

    /// @notice A provider's statement of a lease's result.
    struct Receipt {
        bytes32 lease;
        bytes32 task;
        bytes32 resultId;
        uint64 fuel;
    }

    struct SignedReceipt {
        Lease lease;
        bytes leaseSignature;
        Receipt receipt;
        bytes receiptSignature;
    }

    struct Job {
        uint64 tasks;
        uint64 postedAt;
        bool closed;
        uint256 cap;
    }

    bytes32 private constant LEASE_TYPEHASH = keccak256(
        "Lease(bytes32 job,bytes32 task,uint32 replica,address requestor,address provider,uint64 fuelLimit,uint256 price,uint64 deadline)"
    );
    bytes32 private constant COMMITMENT_TYPEHASH = keccak256("Commitment(bytes32 lease,bytes32 commitment)");
    bytes32 private constant RECEIPT_TYPEHASH =
        keccak256("Receipt(bytes32 lease,bytes32 task,bytes32 resultId,uint64 fuel)");

    IProviders public immutable providers;

    mapping(address requestor => mapping(bytes32 job => Job)) private jobs_;
    mapping(bytes32 key => bool) private reported_;

    event Posted(address indexed requestor, bytes32 indexed job, uint64 tasks, uint256 cap);
    event Closed(address indexed requestor, bytes32 indexed job);
    event Contradicted(
        bytes32 indexed job, bytes32 indexed task, address indexed provider, bytes32 resultId, bytes32 acceptedId
    );

    error ZeroAddress();
    error JobRootMissing();
    error TasksZero();
    error JobAlreadyPosted(bytes32 job);
    error JobUnknown(bytes32 job);
    error JobAlreadyClosed(bytes32 job);
    error AlreadyReported(bytes32 task, address provider);
    error ProviderNotRegistered(address provider);
    error LeaseNotSignedByRequestor(address recovered);
    error ReceiptNotSignedByProvider(address recovered);
    error ReceiptOfOtherLease();
    error ReceiptOfOtherTask();
    error DifferentTask();
    error ProvidersNotDistinct();
    error ResultsDoNotContradict();

    constructor(bytes32 network_, IProviders providers_) MillraceDomain(network_) {
        if (address(providers_) == address(0)) revert ZeroAddress();
        providers = providers_;
    }

    // --- posting --------------------------------------------------------------------------------------

    /// @notice Announces a job of the caller; `jobRoot` is the `job` of its leases. The direct lane does not
    /// need this.
    function post(bytes32 jobRoot, uint64 tasks, uint256 cap) external {
        if (jobRoot == bytes32(0)) revert JobRootMissing();
        if (tasks == 0) revert TasksZero();
        Job storage record = jobs_[msg.sender][jobRoot];
        if (record.tasks != 0) revert JobAlreadyPosted(jobRoot);
        record.tasks = tasks;
        record.postedAt = uint64(block.timestamp);
        record.cap = cap;
        emit Posted(msg.sender, jobRoot, tasks, cap);
    }

    /// @notice Ends a job of the caller: no more leases will be offered.
    function close(bytes32 jobRoot) external {
        Job storage record = jobs_[msg.sender][jobRoot];
        if (record.tasks == 0) revert JobUnknown(jobRoot);
        if (record.closed) revert JobAlreadyClosed(jobRoot);
        record.closed = true;
        emit Closed(msg.sender, jobRoot);
    }

    // --- evidence ---------------------------------------------------------------------------------------

    /// @notice Counts a contradiction against the provider of `wrong`. Anyone may report, once per
    /// (requestor, job, task, provider).
    function reportContradiction(SignedReceipt calldata wrong, SignedReceipt[2] calldata agreeing) external {
        _requireSameTask(wrong.lease, agreeing[0].lease);
        _requireSameTask(wrong.lease, agreeing[1].lease);
        if (
            agreeing[0].receipt.resultId != agreeing[1].receipt.resultId
                || agreeing[0].receipt.resultId == wrong.receipt.resultId
        ) revert ResultsDoNotContradict();

        address liar = wrong.lease.provider;
        bytes32 key = keccak256(abi.encode(wrong.lease.requestor, wrong.lease.job, wrong.lease.task, liar));
        if (reported_[key]) revert AlreadyReported(wrong.lease.task, liar);

        address[3] memory signers = [_verify(wrong), _verify(agreeing[0]), _verify(agreeing[1])];
        address[3] memory owners = [liar, agreeing[0].lease.provider, agreeing[1].lease.provider];
        address[3] memory payouts =
            [providers.payoutOf(owners[0]), providers.payoutOf(owners[1]), providers.payoutOf(owners[2])];
        if (!_distinct(owners) || !_distinct(signers) || !_distinct(payouts)) revert ProvidersNotDistinct();

        reported_[key] = true;
        emit Contradicted(
            wrong.lease.job, wrong.lease.task, liar, wrong.receipt.resultId, agreeing[0].receipt.resultId
        );
        providers.recordContradiction(liar);
    }

    /// @dev Checks one receipt with its lease; returns the provider key that signed it.
    function _verify(SignedReceipt calldata signed) private view returns (address signer) {
        Lease calldata lease = signed.lease;
        if (!providers.isRegistered(lease.provider)) revert ProviderNotRegistered(lease.provider);
        bytes32 id = _hashLease(lease);
        if (signed.receipt.lease != id) revert ReceiptOfOtherLease();
        if (signed.receipt.task != lease.task) revert ReceiptOfOtherTask();
        address requestor = _recover(id, signed.leaseSignature);
        if (requestor != lease.requestor) revert LeaseNotSignedByRequestor(requestor);
        signer = _recover(_hashReceipt(signed.receipt), signed.receiptSignature);
        if (!providers.wasSigner(lease.provider, signer)) revert ReceiptNotSignedByProvider(signer);
    }

    function _requireSameTask(Lease calldata a, Lease calldata b) private pure {
        if (a.job != b.job || a.task != b.task || a.requestor != b.requestor) revert DifferentTask();
    }

    function _distinct(address[3] memory all) private pure returns (bool) {
        return all[0] != all[1] && all[0] != all[2] && all[1] != all[2];
    }

    function _hashLease(Lease calldata lease) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                LEASE_TYPEHASH,
                lease.job,
                lease.task,
                lease.replica,
                lease.requestor,
                lease.provider,
                lease.fuelLimit,
                lease.price,
                lease.deadline
            )
        );
    }

    function _hashReceipt(Receipt calldata receipt) private pure returns (bytes32) {
        return keccak256(abi.encode(RECEIPT_TYPEHASH, receipt.lease, receipt.task, receipt.resultId, receipt.fuel));
    }

    // --- views --------------------------------------------------------------------------------------------

    /// @notice A posted job; all zero when there is none.
    function job(address requestor, bytes32 jobRoot) external view returns (Job memory) {
        return jobs_[requestor][jobRoot];
    }

    /// @notice True when this contradiction has been counted.
    function isReported(address requestor, bytes32 jobRoot, bytes32 task, address provider)
        external
        view
        returns (bool)
    {
        return reported_[keccak256(abi.encode(requestor, jobRoot, task, provider))];
    }

    /// @notice The lease id: the struct hash of the lease (without the domain).
    function leaseId(Lease calldata lease) external pure returns (bytes32) {
        return _hashLease(lease);
    }

    /// @notice The 32 bytes the requestor signs for this lease.
    function leaseDigest(Lease calldata lease) external view returns (bytes32) {
        return _digest(_hashLease(lease));
    }

    /// @notice The 32 bytes the provider signs for this commitment.
    function commitmentDigest(Commitment calldata commitment) external view returns (bytes32) {
        return _digest(keccak256(abi.encode(COMMITMENT_TYPEHASH, commitment.lease, commitment.commitment)));
    }

    /// @notice The 32 bytes the provider signs for this receipt.
    function receiptDigest(Receipt calldata receipt) external view returns (bytes32) {
        return _digest(_hashReceipt(receipt));
    }
}
