// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
pragma solidity 0.8.37;

import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";

/// @title Sending the native coin to addresses that others chose
/// @dev Not Address.sendValue, which passes on what the receiver reverts with: a hostile receiver could
/// answer in the name of our own errors, or with megabytes.
library Coins {
    /// @notice The receiver is a contract that refuses coins, or spends more gas than there is.
    error PaymentRefused(address receiver);

    function send(address receiver, uint256 amount) internal {
        if (!LowLevelCall.callNoReturn(receiver, amount, "")) revert PaymentRefused(receiver);
    }
}
