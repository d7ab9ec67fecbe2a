// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
pragma solidity 0.8.37;

/// @title What the other contracts ask of Providers
interface IProviders {
    /// @notice Where money for `payee` goes: a registered provider's payout address, else the payee itself.
    function payoutOf(address payee) external view returns (address);

    /// @notice True for a registered provider.
    function isRegistered(address owner) external view returns (bool);

    /// @notice True when `account` may act for the payee `owner`: the owner itself or its current signer.
    function mayActFor(address owner, address account) external view returns (bool);

    /// @notice True when `signer` is or ever was the signer of the registered provider `owner`. A key stays
    /// answerable for what it signed; otherwise a liar would only have to change keys.
    function wasSigner(address owner, address signer) external view returns (bool);

    /// @notice Deposits only: `tasks` more were paid with `amount`. Ignores payees that are not registered.
    function recordSettled(address payee, uint64 tasks, uint256 amount) external;

    /// @notice Jobs only: `owner` signed a result that two others contradict.
    function recordContradiction(address owner) external;
}
