// SPDX-License-Identifier: Apache-2.0
// UBR1 in plain JavaScript: the second implementation, written from the protocol
// page, never from rooms/. Nothing in here does I/O.
export { Refusal, must, refuse } from './refusal.mjs';
export * from './bytes.mjs';
export * from './hash.mjs';
export { parseHandle, parseJson, parseRoomName, parseText } from './text.mjs';
export * from './key.mjs';
export * from './device.mjs';
export {
  CAUSE, entryBody, entryFromJson, entryHash, entryToJson, parseEntryBody, parsePayload,
  payloadBytes, REASON, ROLE, roomIdOf, signEntry, TYPE, POLICY_UNSIGNED,
} from './entry.mjs';
export { membersHash, recipientsHash, RoomLog, RoomState, takesKidAway } from './log.mjs';
export * from './epoch.mjs';
export { mustBeEntitled } from './entitle.mjs';
export {
  aadOf, EXT, extensionBytes, FLAG, headerBytes, innerBytes, isMessageSignedBy, KV_OPERATION,
  padme, parseExtensions, parseHeader, parseInner, sealEnvelope, signMessage,
} from './envelope.mjs';
export { acceptMessage, operationOf, ReplayWindow, sealMessage } from './message.mjs';
export {
  addressOf, checkReference, objectSize, openBlob, referenceFromJson, referenceToJson, sealBlob,
} from './blob.mjs';
export { openKeyfile, sealKeyfile } from './keyfile.mjs';
export { itemBytes, openBackup, sealBackup } from './backup.mjs';
export { parseRecoveryKey, recoveryKey } from './recovery.mjs';
export * from './invite.mjs';
